// Numbers that the machine (AssemblyScript) and what assembles its programs (TypeScript) share. Every operation is a
// word of 32 bits, and so is each of its operands. "slot" is the number of a slot, "text" an address and a length,
// "group" the number of a capture, "to" the address of an operation.

// ---- stages: parsing
/** table slot to: matches a slot's text; jumps where it does not match. */
export const MATCH = 1;
/** group slot: the capture's text, if the group took part. */
export const CAPTURE = 2;
/** group slot absent: the text unless it is empty or `absent` (a byte, 0 for none). */
export const CAPTURE_PRESENT = 3;
/** group slot absent: the same for digits; more than 15 give nothing. */
export const CAPTURE_INTEGER = 4;
/** group slot: the text, unless the slot is empty or its text is no IP address. */
export const COPY_IP = 5;
/** group: gives the line up unless the group took part. */
export const NEED_GROUP = 6;
/** slot: the whole line. */
export const LINE = 7;
/** slot keys count: a JSON object; known keys go to their slots, all others to the document. */
export const JSON_OBJECT = 8;
/** slot text target: a member of an object in a slot, or nothing. */
export const MEMBER = 9;
/** slot cache: the line's time. */
export const PARSE_TIME = 10;
/** slot cache target: a time as ISO 8601 text. */
export const PARSE_TIME_TO = 11;

// ---- stages: changing
/** slot text: a constant, as JSON. */
export const CONSTANT = 12;
/** from to */
export const COPY = 13;
/** slot */
export const CLEAR = 14;
/** slot type: see CONVERT_*; what is not plainly of the type gives the line up. */
export const CONVERT = 15;
/** Starts a text that is made of pieces. */
export const TEXT_BEGIN = 16;
/** text */
export const TEXT_CONSTANT = 17;
/** slot: gives the line up where it is empty. */
export const TEXT_SLOT = 18;
/** slot: the text that was made. */
export const TEXT_END = 19;
/** stage: leaves the event out, and counts it. */
export const DROP = 20;
/** Leaves the line to the plain way. */
export const GIVE_UP = 21;

// ---- conditions: they set the flag
/** slot */
export const EXISTS = 22;
/** slot text number isNumber: the whole value, as text or as a number (address of a float64). */
export const EQUALS = 23;
/** slot operator number: see LESS…. */
export const COMPARE = 24;
/** slot literal: true (1) or false (0), or the text of it. */
export const IS_BOOLEAN = 25;
export const NOT = 26;
/** value */
export const SET_FLAG = 27;
/** to */
export const JUMP = 28;
export const JUMP_IF = 29;
export const JUMP_UNLESS = 30;
/** slot to */
export const JUMP_ABSENT = 31;
export const JUMP_PRESENT = 32;
/** slot text mode: see LIKE_*; the value's text has the constant in it, in the same case. */
export const LIKE = 33;

// ---- the document
/** What stands before the members: constant, id, constant. */
export const HEAD = 34;
/** text */
export const PUT = 35;
/** number of a constant that depends on the partition */
export const PUT_VARIABLE = 36;
/** slot: as the inside of a JSON string. */
export const PUT_TEXT = 37;
/** slot: as JSON. */
export const PUT_VALUE = 38;
export const PUT_OFFSET = 39;
export const PUT_TIME = 40;
/** Takes the comma back. */
export const BACK = 41;
/** register: remembers where an object begins that may stay empty. */
export const MARK = 42;
/** register: ends it, or takes it back. */
export const CLOSE = 43;
export const END = 44;
/** slot mode: undoes escapes in a text that has a backslash; see UNESCAPE_*. */
export const UNESCAPE = 45;
/** group slot absent converter: what JavaScript makes of the text. */
export const CAPTURE_CONVERTED = 46;
/** slot: gives the line up where it holds an object. */
export const REFUSE_OBJECT = 47;
/** slot: gives the line up unless it holds text, or is empty. */
export const NEED_TEXT = 48;
/** slot delimiter quote columns beginning without without to: values into groups; jumps where it is not that. */
export const CUT_SEPARATED = 49;
/** slot to: the parts of a URL into groups; jumps where it is none. */
export const CUT_URL = 50;
/** group group slot: the text from the beginning of the first to the end of the second. */
export const CAPTURE_SPAN = 51;
/** slot keys count between quote quote bareWords keepsEmpty: pairs; known keys go to their slots, others to the document. */
export const PAIRS = 52;
/** slot keys count rest: CEF; its header into groups, known keys to their slots, an object of the others to `rest`. */
export const CEF = 53;
/** slot: its text in small letters; anything beyond ASCII gives the line up. */
export const LOWER = 54;
/** slot: digits as a number, 15 at most; otherwise the line is given up. */
export const DIGITS = 55;
/** slot converter: what JavaScript makes of the text; where it makes nothing the line is given up. */
export const CONVERT_WITH = 56;

// ---- regular expressions
export const R_END = 0;
/** The end of the text. */
export const R_EOS = 1;
/** text */
export const R_LITERAL = 2;
/** table: one character. */
export const R_ONE = 3;
/** table min max mode next: characters of a class, max -1 without end; `next` is the byte that must follow, or -1. */
export const R_RUN = 4;
/** a b c min mode next: any number of characters but three bytes; see R_DOT. */
export const R_NOT = 5;
/** n: notes the place. */
export const R_SAVE = 6;
/** a b: tries a, then b. */
export const R_SPLIT = 7;
export const R_JUMP = 8;

export const MODE_GREEDY = 0;
/** Greedy, and giving back cannot help. */
export const MODE_ALL = 1;
export const MODE_LAZY = 2;
/** In place of the third byte of R_NOT: the two line separators beyond ASCII (E2 80 A8, E2 80 A9) end the run too. */
export const R_DOT = 0xe2;

/** Values in the table of a class, by byte. */
export const CLASS_NO = 0;
export const CLASS_YES = 1;
/** Not to be said of a single byte: the line is given up. */
export const CLASS_UNSURE = 2;

export const LESS = 0;
export const LESS_OR_EQUAL = 1;
export const GREATER = 2;
export const GREATER_OR_EQUAL = 3;

export const CONVERT_INTEGER = 0;
export const CONVERT_FLOAT = 1;
export const CONVERT_BOOLEAN = 2;
export const CONVERT_STRING = 3;
export const CONVERT_IP = 4;

/** nginx's `\xHH`. */
export const UNESCAPE_HEX = 1;
/** Lines with a backslash are given up. */
export const UNESCAPE_OTHER = 2;

export const BARE_FAIL = 0;
export const BARE_SKIP = 1;
export const BARE_TRUE = 2;

export const LIKE_PREFIX = 0;
export const LIKE_SUFFIX = 1;
export const LIKE_INSIDE = 2;
/** In any case of ASCII letters; the constant has small letters only. */
export const LIKE_FOLDED = 3;

// ---- slots: 16 bytes each: begin, end, kind
export const ABSENT = 0;
/** UTF-8 text that is not escaped yet. */
export const TEXT = 1;
/** Compact JSON of any value. */
export const JSON_VALUE = 2;
