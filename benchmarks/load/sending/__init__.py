"""Sends a schedule of requests from a process of its own, and takes a sample of each request.

`arrivals` and `clips` say when to send what, `driver` sends it, `sender` is the process around the driver, and
`sender_process` is its parent's side. A process of its own, so that neither the relay nor the progress display delays
a request. May import `figures`, the client and the audio files; knows no report and no command line.
"""
