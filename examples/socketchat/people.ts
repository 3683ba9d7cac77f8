import { once, setMaxListeners } from "node:events";
import { request, type RequestOptions } from "node:http";
import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

export interface PeopleOptions {
  readonly chatPort: number;
  readonly webPort: number;
  readonly count: number;
  /** The same seed makes the same people do the same things, as far as the network lets them. */
  readonly seed: number;
  /** Things that all of them together do in a second, on average: visits, messages, requests. */
  readonly actionsPerSecond: number;
}

const NAMES = [
  "ana",
  "bruno",
  "camila",
  "diego",
  "elena",
  "felipe",
  "gabriela",
  "hugo",
  "inés",
  "julián",
  "karen",
  "luis",
];
const ROOMS = ["general", "help", "redes", "random"];
const PHRASES = [
  "hello!",
  "anyone here?",
  "the server restarted again",
  "see you tomorrow",
  "¿quién tiene los apuntes?",
  "+1",
];
const BROWSERS = [
  "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "curl/8.5.0",
  "socketchat-mobile/2.4",
];

/** People who come, chat, look at pages, leave in several ways and come back, until the signal aborts. */
export async function letPeopleChat(options: PeopleOptions, signal: AbortSignal): Promise<void> {
  // Every person listens to it in a few places.
  setMaxListeners(0, signal);
  const people = Array.from({ length: options.count }, (_, i) => new Person(i, options));
  await Promise.all(people.map((person) => person.live(signal)));
}

class Person {
  readonly #options: PeopleOptions;
  readonly #name: string;
  readonly #browser: string;
  /** Loopback is a whole network on Linux, so everybody can have an address. */
  readonly #localAddress: string | undefined;
  #random: number;

  constructor(index: number, options: PeopleOptions) {
    this.#options = options;
    this.#random = (options.seed * 2_654_435_761 + index * 40_503 + 1) >>> 0;
    this.#name =
      NAMES[index % NAMES.length]! + (index < NAMES.length ? "" : String(Math.floor(index / NAMES.length) + 1));
    this.#browser = this.#pick(BROWSERS);
    this.#localAddress = process.platform === "linux" ? `127.0.1.${(index % 250) + 1}` : undefined;
  }

  async live(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // A network error is something that happens to people: they wait and come back.
      await this.#visit(signal).catch(() => undefined);
      await this.#wait(2, signal);
    }
  }

  async #visit(signal: AbortSignal): Promise<void> {
    await this.#browse(signal);
    const socket = connect({ port: this.#options.chatPort, host: "127.0.0.1", ...this.#from() });
    // What goes wrong later shows in the "close" that follows.
    socket.on("error", () => undefined);
    const leave = (): void => void socket.destroy();
    signal.addEventListener("abort", leave);
    try {
      await once(socket, "connect", { signal });
      let answersPings = true;
      socket.setEncoding("utf8").on("data", (text: string) => {
        if (answersPings && text.includes('"ping"') && socket.writable) socket.write('{"type":"pong"}\n');
      });
      send(socket, { type: "join", name: this.#name, room: this.#pick(ROOMS) });
      for (let i = this.#whole(1, 5); i > 0 && !socket.destroyed; i--) {
        await this.#wait(1, signal);
        if (this.#fraction() < 0.6) send(socket, { type: "say", text: this.#pick(PHRASES) });
        else await this.#browse(signal);
      }
      const how = this.#fraction();
      if (how < 0.6) send(socket, { type: "bye" });
      else if (how < 0.78) socket.destroy();
      else if (how < 0.9) socket.resetAndDestroy();
      else answersPings = false;
      if (!socket.closed) await once(socket, "close", { signal });
    } finally {
      signal.removeEventListener("abort", leave);
      socket.destroy();
    }
  }

  /** One request of the web side; most are good ones. */
  async #browse(signal: AbortSignal): Promise<void> {
    const room = encodeURIComponent(this.#pick(ROOMS));
    const dice = this.#fraction();
    if (dice < 0.25) await this.#get("/", signal);
    else if (dice < 0.4)
      await this.#get("/style.css", signal, this.#fraction() < 0.7 ? { "If-None-Match": '"1"' } : {});
    else if (dice < 0.55) await this.#get("/api/rooms", signal);
    else if (dice < 0.75) await this.#get(`/api/rooms/${room}/messages`, signal);
    else if (dice < 0.85) {
      const text = this.#pick(PHRASES);
      await this.#send("POST", `/api/rooms/${room}/messages`, signal, {}, JSON.stringify({ from: this.#name, text }));
    } else if (dice < 0.91) await this.#get("/api/export", signal);
    else if (dice < 0.94) await this.#get("/chat?from=mail", signal);
    else if (dice < 0.97) await this.#get(this.#pick(["/favicon.ico", "/wp-login.php", "/old/page"]), signal);
    else
      await this.#get("/admin", signal, {
        Authorization: `Basic ${Buffer.from(`${this.#name}:x`).toString("base64")}`,
      });
  }

  #get(path: string, signal: AbortSignal, headers: Record<string, string> = {}): Promise<void> {
    return this.#send("GET", path, signal, headers);
  }

  async #send(
    method: string,
    path: string,
    signal: AbortSignal,
    headers: Record<string, string>,
    body?: string,
  ): Promise<void> {
    const options: RequestOptions = {
      ...{ method, path, signal, host: "127.0.0.1", port: this.#options.webPort, agent: false, ...this.#from() },
      headers: {
        "User-Agent": this.#browser,
        ...(this.#fraction() < 0.4 ? { Referer: "http://localhost/" } : {}),
        ...headers,
      },
    };
    await new Promise<void>((resolve, reject) => {
      const sent = request(options, (response) => {
        response.on("error", reject).on("end", resolve).resume();
      });
      sent.on("error", reject);
      sent.end(body);
    });
  }

  #from(): { localAddress?: string } {
    return this.#localAddress === undefined ? {} : { localAddress: this.#localAddress };
  }

  /** A pause of `share` of what keeps all people together at the wanted rate, give or take a half. */
  async #wait(share: number, signal: AbortSignal): Promise<void> {
    const meanMs = (share * 1000 * this.#options.count) / this.#options.actionsPerSecond;
    await pause(meanMs * (0.5 + this.#fraction()), undefined, { signal }).catch(() => undefined);
  }

  /** xorshift32 */
  #fraction(): number {
    let x = this.#random || 1;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x >>> 0;
    return this.#random / 4_294_967_296;
  }

  #whole(from: number, to: number): number {
    return from + Math.floor(this.#fraction() * (to - from));
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#whole(0, list.length)]!;
  }
}

function send(socket: Socket, message: Readonly<Record<string, string>>): void {
  if (socket.writable) socket.write(JSON.stringify(message) + "\n");
}
