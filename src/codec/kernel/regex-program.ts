import * as op from "./assembly/machine/opcodes.ts";
import type { Label, ProgramBuilder } from "./program-builder.ts";
import { parseRegex, type CharacterClass, type ParsedRegex, type RegexNode } from "./regex-syntax.ts";

/** A regular expression in a program. */
export interface RegexProgram {
  /** Where its table is: the operand of MATCH. */
  readonly table: Label;
  /** Groups that take part in every match. */
  readonly certain: ReadonlySet<number>;
}

/**
 * Puts a regular expression into a program, at the place where the program is now (nothing may run into it). Undefined
 * for what the machine cannot match in the way JavaScript does, or not in sensible space.
 */
export function compileRegex(source: string, builder: ProgramBuilder): RegexProgram | undefined {
  const parsed = parseRegex(source);
  if (parsed === undefined || parsed.groups > MAX_GROUPS || !isSupported(parsed.root)) return undefined;
  if (sizeOf(parsed.root) > MAX_NODES) return undefined;
  const table = builder.placed();
  builder.emit(parsed.groups, parsed.isAnchored ? 1 : 0);
  new Writer(builder).write(parsed.root, { bytes: new Set(), isEmpty: true, isEnd: false });
  builder.emit(op.R_END);
  return { table, certain: certainGroups(parsed) };
}

const MAX_GROUPS = 120;
const MAX_NODES = 2000;
const MAX_COPIES = 16;

/** Which bytes something may begin with, and whether it may be nothing at all up to the end of the expression. */
interface First {
  readonly bytes: ReadonlySet<number>;
  readonly isEmpty: boolean;
  /** Whether it may match at the end of the text only. */
  readonly isEnd: boolean;
}

function isSupported(node: RegexNode): boolean {
  switch (node.kind) {
    case "sequence":
    case "choice":
      return node.nodes.every(isSupported);
    case "group":
      return isSupported(node.node);
    case "repeat": {
      const inner = node.node;
      if (inner.kind === "class") {
        const isRun = inner.class.except !== undefined && node.min <= 1 && node.max === Infinity;
        return (!node.isLazy || isRun) && node.min <= 1_000_000;
      }
      if (!isSupported(inner) || (inner.kind === "literal" && inner.text.length > 1)) return false;
      const copies = node.max === Infinity ? node.min : node.max;
      if (copies > MAX_COPIES) return false;
      // JavaScript forgets what a group captured when its repeat goes round again, and refuses empty rounds.
      if (canBeEmpty(inner)) return node.min === 1 && node.max === 1;
      return node.max <= 1 || !hasGroups(inner);
    }
    default:
      return true;
  }
}

function hasGroups(node: RegexNode): boolean {
  if (node.kind === "group") return true;
  if (node.kind === "repeat") return hasGroups(node.node);
  return (node.kind === "sequence" || node.kind === "choice") && node.nodes.some(hasGroups);
}

function canBeEmpty(node: RegexNode): boolean {
  switch (node.kind) {
    case "literal":
      return node.text === "";
    case "class":
      return false;
    case "sequence":
      return node.nodes.every(canBeEmpty);
    case "choice":
      return node.nodes.some(canBeEmpty);
    case "group":
      return canBeEmpty(node.node);
    case "repeat":
      return node.min === 0 || canBeEmpty(node.node);
    case "end":
      return true;
  }
}

function sizeOf(node: RegexNode): number {
  switch (node.kind) {
    case "sequence":
    case "choice":
      return node.nodes.reduce((sum, each) => sum + sizeOf(each), 1);
    case "group":
      return 1 + sizeOf(node.node);
    case "repeat":
      return node.node.kind === "class" ? 1 : 1 + sizeOf(node.node) * Math.min(MAX_COPIES, Math.max(node.min, 1) + 1);
    default:
      return 1;
  }
}

function certainGroups(parsed: ParsedRegex): Set<number> {
  const found = new Set<number>();
  const walk = (node: RegexNode): void => {
    if (node.kind === "group") {
      found.add(node.index);
      walk(node.node);
    } else if (node.kind === "sequence") node.nodes.forEach(walk);
    else if (node.kind === "repeat" && node.min > 0) walk(node.node);
  };
  walk(parsed.root);
  return found;
}

/** What `node` and then `follow` may begin with. */
function firstOf(node: RegexNode, follow: First): First {
  switch (node.kind) {
    case "literal":
      return node.text === "" ? follow : { bytes: new Set([Buffer.from(node.text)[0]!]), isEmpty: false, isEnd: false };
    case "class":
      return {
        bytes: new Set([...node.class.table.keys()].filter((b) => node.class.table[b] !== op.CLASS_NO)),
        isEmpty: false,
        isEnd: false,
      };
    case "sequence":
      return node.nodes.reduceRight((rest, each) => firstOf(each, rest), follow);
    case "choice":
      return node.nodes.map((each) => firstOf(each, follow)).reduce(union);
    case "group":
      return firstOf(node.node, follow);
    case "repeat": {
      // Behind the node may come the node again.
      const once = firstOf(node.node, node.max > 1 ? union(firstOf(node.node, follow), follow) : follow);
      return node.min === 0 ? union(once, follow) : once;
    }
    case "end":
      // No byte may follow: it is no way to go on for a run that gives back.
      return { bytes: new Set(), isEmpty: false, isEnd: true };
  }
}

function union(a: First, b: First): First {
  return { bytes: new Set([...a.bytes, ...b.bytes]), isEmpty: a.isEmpty || b.isEmpty, isEnd: a.isEnd || b.isEnd };
}

class Writer {
  readonly #builder: ProgramBuilder;

  constructor(builder: ProgramBuilder) {
    this.#builder = builder;
  }

  write(node: RegexNode, follow: First): void {
    const builder = this.#builder;
    switch (node.kind) {
      case "literal":
        if (node.text !== "") builder.emit(op.R_LITERAL, ...builder.text(node.text));
        return;
      case "class":
        builder.emit(op.R_ONE, this.#table(node.class, true));
        return;
      case "sequence":
        node.nodes.forEach((each, i) => {
          this.write(
            each,
            node.nodes.slice(i + 1).reduceRight((rest, next) => firstOf(next, rest), follow),
          );
        });
        return;
      case "choice":
        this.#choice(node.nodes, follow);
        return;
      case "group":
        builder.emit(op.R_SAVE, 2 * node.index);
        this.write(node.node, follow);
        builder.emit(op.R_SAVE, 2 * node.index + 1);
        return;
      case "repeat":
        if (node.node.kind === "class") this.#run(node.node.class, node, follow);
        else this.#repeat(node, follow);
        return;
      case "end":
        builder.emit(op.R_EOS);
    }
  }

  #choice(nodes: readonly RegexNode[], follow: First): void {
    const builder = this.#builder;
    const out = builder.label();
    nodes.forEach((node, i) => {
      const isLast = i === nodes.length - 1;
      const [mine, other] = [builder.label(), builder.label()];
      if (!isLast) builder.emit(op.R_SPLIT, mine, other);
      builder.place(mine);
      this.write(node, follow);
      if (!isLast) builder.emit(op.R_JUMP, out);
      builder.place(other);
    });
    builder.place(out);
  }

  #repeat(node: RegexNode & { kind: "repeat" }, follow: First): void {
    const builder = this.#builder;
    const again = union(firstOf(node.node, follow), follow);
    for (let i = 0; i < node.min; i++) this.write(node.node, again);
    const split = (body: Label, out: Label): void => {
      builder.emit(op.R_SPLIT, node.isLazy ? out : body, node.isLazy ? body : out);
    };
    const out = builder.label();
    if (node.max === Infinity) {
      const [start, body] = [builder.placed(), builder.label()];
      split(body, out);
      builder.place(body);
      this.write(node.node, again);
      builder.emit(op.R_JUMP, start);
    } else {
      for (let i = node.min; i < node.max; i++) {
        const body = builder.label();
        split(body, out);
        builder.place(body);
        this.write(node.node, again);
      }
    }
    builder.place(out);
  }

  #run(set: CharacterClass, { min, max, isLazy }: RegexNode & { kind: "repeat" }, follow: First): void {
    const builder = this.#builder;
    const [only] = follow.bytes;
    const next = !follow.isEmpty && !follow.isEnd && follow.bytes.size === 1 ? only! : -1;
    const isDisjoint = [...follow.bytes].every((byte) => set.table[byte] === op.CLASS_NO);
    const mode = isLazy ? op.MODE_LAZY : follow.isEmpty || isDisjoint ? op.MODE_ALL : op.MODE_GREEDY;
    if (set.except !== undefined && min <= 1 && max === Infinity) {
      const [a = 0xff, b = a, c = b] = set.except;
      builder.emit(op.R_NOT, a, b, set.isDot ? op.R_DOT : c, min, mode, next);
      return;
    }
    // Characters beyond ASCII are several bytes: they can be taken in a run, not counted.
    const isCounted = min > 1 || max !== Infinity;
    builder.emit(op.R_RUN, this.#table(set, isCounted), min, max === Infinity ? -1 : max, mode, next);
  }

  #table(set: CharacterClass, isCounted: boolean): number {
    const table = set.table.slice();
    if (isCounted)
      for (let byte = 0x80; byte < 256; byte++) if (table[byte] === op.CLASS_YES) table[byte] = op.CLASS_UNSURE;
    return this.#builder.bytes(table, 16);
  }
}
