import { Centrifuge } from "centrifuge"

const client = new Centrifuge("wss://example.com/")
const subscription = client.newSubscription("messages")
subscription.on("publication", ({ data }) => console.log(data))
subscription.subscribe()
client.connect()
