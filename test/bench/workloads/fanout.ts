/** One publisher and many subscribers: what a delivery costs. */
import { makeAll, pause, serverOf } from "../connections.js"
import type { TopicPeer } from "../peer.js"
import { topicPeers } from "../peers.js"
import { Publications, size } from "../publications.js"
import type { Run, Sample, Workload } from "../workload.js"

const subscribers = 1000
const warmUp = 1500

const sample = async (peer: TopicPeer, inFlight: number, run: Run): Promise<Sample> => {
  const { fail, seconds } = run
  const server = serverOf(run)
  const receiver = (name: string) => ({
    message: (text: string) => fail(new Error(`${name} received "${text}" unasked`)),
    lost: (why: Error) => fail(new Error(`${name} was lost: ${why.message}`))
  })
  const publisher = await peer.publisher(server.port, receiver("the publisher"))
  const publish = (text: string) => {
    publisher.publish(text)
    publisher.flush()
  }
  const publications = new Publications({ publisher: 0, subscribers, inFlight, publish })
  const links = await makeAll(subscribers, (index) =>
    peer.subscribe(server.port, {
      ...receiver(`subscriber ${index}`),
      publication: (text) => publications.received(text, index)
    })
  )
  publications.start()
  await pause(warmUp)

  const load = process.cpuUsage()
  const look = () => ({
    publications: publications.everywhere,
    deliveries: publications.deliveries,
    cpu: server.cpuMicros(),
    at: performance.now()
  })
  const before = look()
  await pause(seconds * 1000)
  const after = look()
  const { system, user } = process.cpuUsage(load)

  for (const link of [publisher, ...links]) link.destroy()
  const everywhere = after.publications - before.publications
  if (everywhere === 0) throw new Error(`no publication has reached everybody in ${seconds} s`)
  const deliveries = after.deliveries - before.deliveries
  const elapsed = (after.at - before.at) * 1000
  return {
    publicationsPerSecond: (everywhere / elapsed) * 1e6,
    cpuMicrosPerDelivery: (after.cpu - before.cpu) / deliveries,
    serverBusyPercent: ((after.cpu - before.cpu) / elapsed) * 100,
    loadBusyPercent: ((user + system) / elapsed) * 100
  }
}

const workload = (inFlight: number): Workload => ({
  name: `fanout-${inFlight}`,
  about: `${size} bytes to ${subscribers.toLocaleString("en")} subscribers, ${inFlight} publications in flight`,
  behaviour: "topic",
  servers: 1,
  needsRedis: false,
  descriptors: subscribers + 1,
  plotted: {
    key: "cpuMicrosPerDelivery",
    caption: `${size} bytes to ${subscribers.toLocaleString("en")} subscribers, ${inFlight} publications in flight`
  },
  metrics: [
    { key: "publicationsPerSecond", title: "publications/s", digits: 0, compared: true },
    { key: "cpuMicrosPerDelivery", title: "CPU µs/delivery", digits: 2, compared: true },
    { key: "serverBusyPercent", title: "server busy %", digits: 0, compared: false },
    { key: "loadBusyPercent", title: "load busy %", digits: 0, compared: false }
  ],
  contenders: topicPeers.map((peer) => ({ name: peer.name, sample: (run) => sample(peer, inFlight, run) }))
})

export const fanouts: ReadonlyArray<Workload> = [2, 16].map(workload)
