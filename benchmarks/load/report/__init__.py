"""The reports: the HTML page of a run or of two, its plots as PNG files, and the tables on the terminal.

The plots and the pages need matplotlib and Jinja2. May import the records and figures; starts no process.
"""
