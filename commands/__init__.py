"""The commands of `relevo`: one file or one folder each, with its arguments and what it prints.

`relevo --help` imports every command, so the file that adds a command's arguments imports the standard library,
`checkout`, `errors` and light neighbours at its top. Everything else, which may take a second, is imported where the
command runs. Texts from elsewhere (names of files, what models wrote) reach the terminal through `output` and `tables`
only. Imports `workers` and `modules`; what stands above is handed in by `pipeline.py`.
"""
