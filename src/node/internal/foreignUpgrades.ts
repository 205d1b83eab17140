/**
 * Upgrades that somebody else on the server answers. Node does not look after their sockets any more, and the platform's
 * HttpServer waits for the end of its answer, uninterruptibly and so for ever where the socket is gone before: its scope would
 * never close. Here every answer that was ended comes to its end.
 */
import type * as Http from "node:http"
import type { Duplex } from "node:stream"

/** The place in which Node keeps the response that writes to a socket: `ServerResponse.assignSocket` sets it, and throws where there is one. */
const slot = "_httpMessage"

/** True while the answer to an earlier request has not left yet. */
export const isAnswering = (socket: Duplex): boolean => (Reflect.get(socket, slot) ?? null) !== null

/** Tells who waits for the response that it is over, as nobody else does once its socket is gone. */
const finishing = (socket: Duplex, response: Http.ServerResponse): void => {
  // `writableFinished` is true of a response that has nothing to write, whether it has told so or not.
  let isOver = false
  response.once("finish", () => {
    isOver = true
  })
  const finish = () => {
    if (socket.destroyed && response.writableEnded && !isOver) response.emit("finish")
  }
  const { end } = response
  response.end = (...args: ReadonlyArray<unknown>) => {
    // Since Node 24 a callback is no listener of "finish" by itself, and is forgotten with the socket.
    const at = isOver ? -1 : args.findIndex((arg) => typeof arg === "function")
    if (at >= 0) response.once("finish", args[at] as () => void)
    Reflect.apply(end, response, at < 0 ? args : args.slice(0, at))
    // After the caller has what it is given back.
    queueMicrotask(finish)
    return response
  }
  socket.once("close", finish)
}

export class HandedOver {
  private readonly sockets = new Set<Duplex>()

  /** An error that nobody listens for would end the process, and who is answered may never let go of its end. */
  add(socket: Duplex): void {
    const destroy = () => socket.destroy()
    this.sockets.add(socket)
    socket.on("error", destroy)
    socket.once("finish", destroy)
    socket.once("close", () => this.sockets.delete(socket))
    let current: Http.ServerResponse | null = null
    Object.defineProperty(socket, slot, {
      configurable: true,
      get: () => current,
      set: (response: Http.ServerResponse | null) => {
        current = response
        if (response !== null) finishing(socket, response)
      }
    })
  }

  destroy(): void {
    for (const socket of this.sockets) socket.destroy()
  }
}
