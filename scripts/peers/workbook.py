"""Reads a workbook from standard input, and prints its cells as JSON: values with their types (`s` text,
`n` number, `b` flag, `f` formula)."""

import io
import json
import sys

import openpyxl

sheet = openpyxl.load_workbook(io.BytesIO(sys.stdin.buffer.read())).active
rows = [[[cell.value, cell.data_type] for cell in row] for row in sheet.iter_rows()]
json.dump(rows, sys.stdout, default=str)
