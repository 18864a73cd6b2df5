"""Makes the spreadsheets that Python's writers make: `pip install openpyxl xlsxwriter`. The people in them are made up."""

import datetime
import pathlib

import openpyxl
import xlsxwriter

HERE = pathlib.Path(__file__).parent

# A workbook with a sheet that explains, a hidden one, titles above the header, empty rows and columns, numbers that were
# phones, and days.
book = openpyxl.Workbook()
first = book.active
first.title = "Read me"
first["A1"] = "How to fill in this workbook"
old = book.create_sheet("Old staff")
old.append(["First Name", "Last Name"])
old.append(["Gone", "Long"])
old.sheet_state = "hidden"
staff = book.create_sheet("Staff 2026")
staff["B1"] = "Sunrise ABA: staff"
staff["B3"] = "First Name"
staff["C3"] = "Surname"
staff["D3"] = "Cell"
staff["E3"] = "ZIP"
staff["F3"] = "RBT\nexpires"
staff["G3"] = "NPI #"
staff["H3"] = "Shoe size"
staff["I3"] = "SMS"
for row, values in {
    4: ["Ann ", "Lee\u00a0", 14155550100, 2134, datetime.date(2027, 3, 15), 1234567893, 9.5, True],
    6: ["José", "Núñez", "(415) 555-0101", "02134-1234", datetime.datetime(2027, 3, 15, 12, 30), "1234567893", None, "no"],
    7: ["=CONCATENATE(\"A\",\"da\")", "Okafor", None, None, 46461, None, None, None],
    8: ["Bo", "=1/0", None, None, "15-Mar-27", None, None, None],
}.items():
    for column, value in zip("BCDEFGHI", values):
        staff[f"{column}{row}"] = value
book.create_sheet("Payors").append(["Payor", "Phone"])
book.save(HERE / "openpyxl.xlsx")

# Days since 1904, formulas whose values were kept, and an error.
with xlsxwriter.Workbook(HERE / "xlsxwriter-1904.xlsx", {"date_1904": True}) as book:
    sheet = book.add_worksheet("Roster")
    day = book.add_format({"num_format": "mm/dd/yyyy"})
    sheet.write_row(0, 0, ["Name", "Work Email", "D.O.B.", "Title", "Insurances"])
    sheet.write_row(1, 0, ["Okafor, Ada", "ada@example.com"])
    sheet.write_datetime(1, 2, datetime.datetime(1990, 2, 28), day)
    sheet.write_formula(1, 3, '=UPPER("rbt")', None, "RBT")
    sheet.write(1, 4, "Aetna; Cigna")
    sheet.write_row(2, 0, ["Bo Roe", "bo@example.com"])
    sheet.write_formula(2, 3, "=NA()", None, "#N/A")
