"""What a user runs. Never imports torch, transformers or peft.

This file must exist: without it ``app.py`` at the top level hides the package.
"""
