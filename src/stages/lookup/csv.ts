/**
 * The rows of a CSV text (RFC 4180): fields between delimiters, perhaps in quotes, in which quotes are doubled and line
 * ends may stand. Empty lines are left out; spaces belong to fields. A quote that is never closed ends with the text.
 */
export function csvRows(text: string, delimiter: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    let field: string;
    if (text[at] === '"') {
      field = "";
      for (let from = at + 1; ;) {
        const quote = text.indexOf('"', from);
        const end = quote < 0 ? text.length : quote;
        field += text.slice(from, end);
        at = end + 1;
        if (text[at] !== '"') break;
        field += '"';
        from = at + 1;
      }
      // What follows a closing quote before the next delimiter belongs to nothing: it is kept as it is.
      const end = endOfField(text, at, delimiter);
      field += text.slice(at, end);
      at = end;
    } else {
      const end = endOfField(text, at, delimiter);
      field = text.slice(at, end);
      at = end;
    }
    row.push(field);
    if (text[at] === delimiter) {
      at++;
      if (at === text.length) row.push("");
      else continue;
    } else if (text[at] === "\r" && text[at + 1] === "\n") at += 2;
    else at++;
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
  }
  if (row.length > 0) rows.push(row);
  return rows;
}

function endOfField(text: string, from: number, delimiter: string): number {
  for (let i = from; i < text.length; i++) {
    const char = text[i]!;
    if (char === delimiter || char === "\n" || (char === "\r" && text[i + 1] === "\n")) return i;
  }
  return text.length;
}
