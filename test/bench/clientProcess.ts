/** Clients of `clients`, in a process of their own: their messages go there and back as fast as they can. */
import { MeasuredProcess, type Profile } from "./measuredProcess.js"

export interface ClientOptions {
  readonly peer: string
  /** Of the server. */
  readonly port: number
  readonly profile: Profile | undefined
}

export class ClientProcess extends MeasuredProcess {
  static async start({ peer, port, profile }: ClientOptions): Promise<ClientProcess> {
    const clients = new ClientProcess({ script: `clients/${peer}.mjs`, args: [`${port}`], profile })
    await clients.answer("did not connect")
    return clients
  }

  /** Messages that have come back so far. */
  async messages(): Promise<number> {
    return (await this.ask<{ readonly messages: number }>("messages")).messages
  }
}
