/** A server of `servers`, in a process of its own. */
import { MeasuredProcess, type Profile } from "./measuredProcess.js"

export interface ServerOptions {
  readonly peer: string
  readonly behaviour: string
  readonly profile: Profile | undefined
  /** What servers that form a cluster share. */
  readonly redisUrl: string | undefined
}

/** How late the event loop was, in milliseconds. */
export interface LoopDelay {
  readonly median: number
  /** 99% of the times it was no later. */
  readonly most: number
  readonly max: number
}

export class ServerProcess extends MeasuredProcess {
  port = 0

  static async start({ behaviour, peer, profile, redisUrl }: ServerOptions): Promise<ServerProcess> {
    const env = redisUrl === undefined ? {} : { REDIS_URL: redisUrl }
    const server = new ServerProcess({ script: `servers/${peer}.mjs`, args: [behaviour], profile, env })
    const { port } = await server.answer<{ readonly port: number }>("did not listen")
    server.port = port
    return server
  }

  async watchDelay(): Promise<void> {
    await this.ask("watchDelay")
  }

  /** Since it watches. */
  delay(): Promise<LoopDelay> {
    return this.ask<LoopDelay>("delay")
  }
}
