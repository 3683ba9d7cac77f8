/**
 * Joins the lines of a list of objects that was printed over many lines (as `tshark -T json` and `jq .` print it) to one
 * event an object: objects begin and end with as many spaces as the first one. The brackets of the list, and the commas
 * between objects, are left out. All other input passes as it is.
 */
export async function* joinedObjects(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let begin: string | undefined;
  let isList: boolean | undefined;
  let open: string[] = [];
  for await (const line of lines) {
    isList ??= line.trim() === "[";
    if (!isList) {
      yield line;
      continue;
    }
    begin ??= /^(\s*)[{]/.exec(line)?.[1];
    if (begin === undefined) continue;
    if (open.length === 0 && !line.startsWith(`${begin}{`)) continue;
    open.push(line);
    const isEnd = line.startsWith(`${begin}}`) || (open.length === 1 && /[}],?\s*$/.test(line));
    if (!isEnd) continue;
    open[open.length - 1] = line.replace(/,\s*$/, "");
    yield open.join("\n");
    open = [];
  }
  // A list that was cut: what there is of the last object says so.
  if (open.length > 0) yield open.join("\n");
}
