"""Data sets: what a file's header says, what a query matches, what an archive answered.

Import the modules themselves: `dcm.data.scan`, `dcm.data.identifier`, `dcm.data.match`,
`dcm.data.query_result`. None of them imports pydicom before something is asked that only it knows,
so a command starts fast.
"""
