/** Serves a folder over HTTP: a page that stays there when the gateway is gone. */
import { readFile } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { extname, join, normalize } from "node:path"
import { Effect, type Scope } from "effect"

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8"
}

/** The URL of the folder's `index.html`, on a free port until the scope closes. */
export const serve = (folder: string): Effect.Effect<string, never, Scope.Scope> => {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://site")
    // A browser asks for it by itself, and logs that it is missing.
    if (pathname === "/favicon.ico") return response.writeHead(204).end()
    const path = normalize(pathname === "/" ? "/index.html" : pathname)
    return void readFile(join(folder, path)).then(
      (body) =>
        response.writeHead(200, { "Content-Type": types[extname(path)] ?? "application/octet-stream" }).end(body),
      () => response.writeHead(404).end()
    )
  })
  const listening = Effect.async<string>((resume) => {
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo // it listens on a port
      resume(Effect.succeed(`http://127.0.0.1:${port}/`))
    })
  })
  const closed = Effect.async<void>((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })
  return Effect.acquireRelease(listening, () => closed)
}
