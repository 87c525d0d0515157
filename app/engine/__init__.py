"""The model behind one small interface, and the only home of llama_cpp.

``base`` is the Protocol and its records, ``local`` runs llama.cpp in a child process, ``fake`` serves tests.
"""
