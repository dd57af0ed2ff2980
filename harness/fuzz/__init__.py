"""Fuzzing of servers: grammar-based hostile inputs are generated, played, judged, shrunk and kept.

parts          a message as a tree of heads, lengths and contents, any of which can lie
conversation   messages on one or more connections: the unit that is played, stored and shrunk
network        the only way to the server; it reaches no other address
playing        plays a conversation and records what came back
objects, dicom, web    valid messages, from which the inputs are made
mutate         the mutations: lengths, counts, types, values, order
source         the input for a seed and a number, always the same
subject        the server: starts, populates and monitors it, and reads the traces of a crash
judges         what counts as a finding
shrink         fewest messages, then fewest bytes
findings       one folder per defect
hunt           the run of one worker
campaign       several workers, their state and their page
"""
