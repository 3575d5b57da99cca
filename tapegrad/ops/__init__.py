"""The ops: a table of rows (table.py) and the functions over them. See table.py first."""
