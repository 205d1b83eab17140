/** Publications on two servers to the subscribers of both, as fast as they go. */
import { joinAll } from "../cluster.js"
import { pause, serverOf } from "../connections.js"
import { cpuMicrosOf } from "../measuredProcess.js"
import type { ClusterPeer } from "../peer.js"
import { clusterPeers } from "../peers.js"
import { Publications, publisherOf, size } from "../publications.js"
import type { Run, Sample, Workload } from "../workload.js"

const servers = 2
const subscribersEach = 200
const subscribers = servers * subscribersEach
/** Publications of each server that some subscriber does not have yet. */
const inFlight = 4
const warmUp = 1500

const sample = async (peer: ClusterPeer, run: Run): Promise<Sample> => {
  const { fail, redis, seconds } = run
  const publishers: Array<Publications> = []
  const members = await joinAll(peer, subscribers, (index) => serverOf(run, index % servers).port, {
    message: (text, index) => fail(new Error(`subscriber ${index} received "${text}" unasked`)),
    publication: (text, index) => publishers[publisherOf(text)]?.received(text, index),
    lost: (why, index) => fail(new Error(`subscriber ${index} was lost: ${why.message}`))
  })
  for (const [publisher, member] of members.slice(0, servers).entries()) {
    const publish = (text: string) => {
      member.publish(text)
      member.flush()
    }
    publishers.push(new Publications({ publisher, subscribers, inFlight, publish }))
  }
  for (const publisher of publishers) publisher.start()
  await pause(warmUp)

  const sum = (of: (publisher: Publications) => number) => publishers.reduce((total, one) => total + of(one), 0)
  const look = () => ({
    publications: sum(({ everywhere }) => everywhere),
    deliveries: sum(({ deliveries }) => deliveries),
    cpu: run.servers.reduce((total, server) => total + server.cpuMicros(), 0),
    redis: cpuMicrosOf(redis?.pid()),
    at: performance.now()
  })
  const load = process.cpuUsage()
  const before = look()
  await pause(seconds * 1000)
  const after = look()
  const { system, user } = process.cpuUsage(load)

  for (const member of members) member.destroy()
  const publications = after.publications - before.publications
  if (publications === 0) throw new Error(`no publication has reached everybody in ${seconds} s`)
  const deliveries = after.deliveries - before.deliveries
  const elapsed = (after.at - before.at) * 1000
  return {
    publicationsPerSecond: (publications / elapsed) * 1e6,
    deliveriesPerSecond: (deliveries / elapsed) * 1e6,
    cpuMicrosPerDelivery: (after.cpu - before.cpu) / deliveries,
    redisMicrosPerPublication: (after.redis - before.redis) / publications,
    serversBusyPercent: ((after.cpu - before.cpu) / elapsed) * 100,
    loadBusyPercent: ((user + system) / elapsed) * 100
  }
}

export const clusterTopic: Workload = {
  name: "cluster-topic",
  about: `${size} bytes from ${servers} servers to ${subscribersEach} subscribers on each, ${inFlight} in flight on each`,
  behaviour: "cluster",
  servers,
  needsRedis: true,
  onlyNamed: true,
  descriptors: subscribers,
  metrics: [
    { key: "publicationsPerSecond", title: "publications/s", digits: 0, compared: true },
    { key: "deliveriesPerSecond", title: "deliveries/s", digits: 0, compared: false },
    { key: "cpuMicrosPerDelivery", title: "CPU µs/delivery", digits: 2, compared: true },
    { key: "redisMicrosPerPublication", title: "Redis CPU µs/publication", digits: 0, compared: true },
    { key: "serversBusyPercent", title: "servers busy %", digits: 0, compared: false },
    { key: "loadBusyPercent", title: "load busy %", digits: 0, compared: false }
  ],
  contenders: clusterPeers.map((peer) => ({ name: peer.name, sample: (run) => sample(peer, run) }))
}
