"""The library: documents as passages, and search over them. The only home of langchain (DESIGN.md, The house).

Knows no model and no page. Files are parsed in a process of their own (`child`), for they may hold anything.
"""
