import { ClientStatus } from "holdfast"
import { BrowserClient } from "holdfast/browser"
import { connect } from "holdfast/promise"

const show = (text: string) => document.body.append(text, document.createElement("br"))

const layer = BrowserClient.layer({ keepSession: { key: "ann" } })
const client = await connect({ layer, url: "ws://127.0.0.1:8081/", token: "ann" })
client.status.subscribe(() => show(client.status.getSnapshot()._tag))
await client.send({ hello: "world" })
for await (const message of client.messages) show(JSON.stringify(message))
show(ClientStatus.describeEnd(await client.ended))
