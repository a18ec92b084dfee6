"""What is shown of a lab, as JSON has it: the same for the command line, the service and programs.

Each function reads the journal it is given, and prints and decides nothing.
"""
