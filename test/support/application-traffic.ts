import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Runs a program on the host that asks, and resolves with what it prints. */
export type Ask = (...command: string[]) => Promise<string>;

/** What the host that answers runs for `talk`: a file with nginx's configuration, and one with chronyd's. */
export async function prepareServers(
  folder: string,
): Promise<{ nginx: string; chrony: string; dns: readonly string[] }> {
  const root = join(folder, "www");
  await mkdir(root, { recursive: true });
  await writeFile(join(root, "index.html"), "<p>hello</p>\n");
  await writeFile(join(root, "large.bin"), Buffer.alloc(700_000, "wire"));
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  await run("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
    ...["-subj", "/CN=web.test", "-keyout", key, "-out", certificate],
  ]);
  const nginx = join(folder, "nginx.conf");
  await writeFile(
    nginx,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr crit; worker_processes 1; user root;
events { worker_connections 64; }
http {
  access_log off; root ${root}; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server {
    listen 80; listen [::]:80;
    location /private { return 401 "no"; }
    location /moved { return 301 http://web.test/index.html?token=abc; }
    location /cookie { add_header Set-Cookie "sid=verysecret; HttpOnly"; return 200 "ok"; }
    location /node { proxy_pass http://127.0.0.1:8080; proxy_http_version 1.1; proxy_buffering off; }
  }
  server {
    listen 443 ssl; server_name web.test; ssl_certificate ${certificate}; ssl_certificate_key ${key};
    ssl_protocols TLSv1.2 TLSv1.3;
  }
}
`,
  );
  const chrony = join(folder, "chrony.conf");
  await writeFile(chrony, `local stratum 5\nallow\ncmdport 0\npidfile ${folder}/chrony.pid\nuser root\n`);
  // A text that does not fit into a datagram of 512 bytes, nor into one frame.
  const texts = Array.from({ length: 8 }, (_, i) => `--txt-record=large.test,${String(i).repeat(250)}`);
  return { nginx, chrony, dns: texts };
}

/** What a user's programs ask: HTTP of all kinds, TLS 1.2 and 1.3, DNS over UDP and TCP, NTP. Servers must listen. */
export async function talk(ask: Ask): Promise<void> {
  const curl = (...args: string[]): Promise<string> => ask("curl", "-s", "-m", "10", "-o", "/dev/null", ...args);
  // Three requests on one connection, the second with a body.
  await curl(
    "http://10.9.0.2/index.html",
    "--next",
    "-s",
    "-d",
    "name=value",
    "http://10.9.0.2/missing.txt",
    "--next",
    "-sI",
    "http://10.9.0.2/index.html",
  );
  await curl(
    "-u",
    "jane:opensesame",
    "-b",
    "sid=topsecret; theme=dark",
    "-e",
    "http://a.test/?password=x",
    "http://10.9.0.2/private?api_key=12345&page=2",
  );
  await curl("-A", "tester/1.0", "-H", "Host: web.test", "http://10.9.0.2/moved", "http://10.9.0.2/cookie");
  await curl("http://10.9.0.2/large.bin");
  await curl("-T", "/etc/services", "http://10.9.0.2/large.bin");
  await curl("-H", "Transfer-Encoding: chunked", "-d", "@/etc/services", "http://10.9.0.2/node");
  await curl("http://10.9.0.2:8080/chunked");
  await ask(process.execPath, "-e", PIPELINE);
  for (const version of ["1.2", "1.3"])
    await curl(
      "-k",
      `--tlsv${version}`,
      "--tls-max",
      version,
      "--resolve",
      "web.test:443:10.9.0.2",
      "https://web.test/",
    );
  // A handshake that fails, for the client does not trust the certificate.
  await curl("--resolve", "web.test:443:10.9.0.2", "https://web.test/").catch(() => undefined);
  const dig = (...args: string[]): Promise<string> => ask("dig", "+tries=1", "+time=5", "@10.9.0.2", ...args);
  await dig("host.test");
  await dig("+tcp", "other.test", "AAAA");
  await dig("+tcp", "+keepopen", "large.test", "TXT", "host.test", "A");
  await dig("+notcp", "+ignore", "+bufsize=4096", "large.test", "TXT");
  await ask("chronyd", "-Q", "-x", "-t", "5", "-f", "/dev/null", "server 10.9.0.2 iburst maxsamples 1");
}

const PIPELINE = `const socket = require("node:net").connect(80, "10.9.0.2");
const request = (path, last) => "GET " + path + " HTTP/1.1\\r\\nHost: web.test\\r\\n" + (last ? "Connection: close\\r\\n" : "") + "\\r\\n";
socket.write(request("/index.html") + request("/missing.txt") + request("/large.bin", true));
socket.resume();`;
