export interface Message {
  readonly from: string;
  readonly text: string;
  readonly at: string;
}

const KEPT_PER_ROOM = 50;
const MAX_ROOMS = 100;

/** What was said lately, room by room; bounded. */
export class Rooms {
  readonly #rooms = new Map<string, Message[]>();

  add(room: string, from: string, text: string): void {
    const messages = this.#rooms.get(room) ?? [];
    if (messages.length === 0 && this.#rooms.size >= MAX_ROOMS) return;
    messages.push({ from, text: text.slice(0, 500), at: new Date().toISOString() });
    if (messages.length > KEPT_PER_ROOM) messages.shift();
    this.#rooms.set(room, messages);
  }

  names(): string[] {
    return [...this.#rooms.keys()];
  }

  /** Undefined when nobody has said anything there. */
  messages(room: string): readonly Message[] | undefined {
    return this.#rooms.get(room);
  }
}
