// Makes the spreadsheet that a writer of npm makes: `npm install exceljs`. The people in it are made up.
import path from "node:path";
import { fileURLToPath } from "node:url";
import ExcelJS from "exceljs";

const here = path.dirname(fileURLToPath(import.meta.url));
const book = new ExcelJS.Workbook();
const sheet = book.addWorksheet("Staff", { views: [{ state: "frozen", ySplit: 1 }] });
sheet.columns = [
  { header: "Given name", key: "first" },
  { header: "Family name", key: "last" },
  { header: "E-mail address", key: "email" },
  { header: "Cert. expires", key: "expires" },
  { header: "Employee ID", key: "id" },
];
sheet.addRow({
  first: "Ann",
  last: { richText: [{ text: "Le" }, { font: { bold: true }, text: "e" }] },
  email: { text: "ann@example.com", hyperlink: "mailto:ann@example.com" },
  expires: new Date(Date.UTC(2027, 2, 15)),
  id: 17,
});
sheet.addRow({ first: "Bo", last: "Roe", email: "", expires: { formula: "D2", result: new Date(Date.UTC(2027, 2, 15)) }, id: "0018" });
await book.xlsx.writeFile(path.join(here, "exceljs.xlsx"));
