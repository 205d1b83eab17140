#!/usr/bin/env bash
# Packs the package and uses it from a folder of its own: every entry point loads, with its types, the core loads nothing of Node,
# a page is bundled for a browser, and the inspector's page is there.
set -euo pipefail
root=$PWD
folder=$1/package
mkdir -p "$folder"
npm pack --silent --pack-destination "$folder" >/dev/null
cd "$folder"
cat > package.json <<'JSON'
{ "name": "outside", "private": true, "type": "module" }
JSON
version() { node -p 'require(process.argv[1]).devDependencies[process.argv[2]]' "$root/package.json" "$1"; }
npm install --silent --no-audit --no-fund ./holdfast-*.tgz
[ ! -e node_modules/@effect/platform-node ] || { echo "the package installs the platform of Node, which a page does not need"; exit 1; }
npm install --silent --no-audit --no-fund "@effect/platform-node@$(version @effect/platform-node)"
[ ! -e node_modules/ioredis ] || { echo "the package installs a client of Redis that the core does not need"; exit 1; }
cat > use.mjs <<'JS'
import { Client, Gateway } from "holdfast"
import { BrowserClient } from "holdfast/browser"
import { Inspector, NodeDialer, NodeListener } from "holdfast/node"
import { connect } from "holdfast/promise"
import { MemoryNetwork } from "holdfast/testing"
for (const value of [Client.make, Gateway.layer, BrowserClient.layer, Inspector.make, NodeDialer.layer, NodeListener.layer, MemoryNetwork.layer, connect]) {
  if (value === undefined) throw new Error("an export is missing")
}
JS
node use.mjs
npm install --silent --no-audit --no-fund "ioredis@$(version ioredis)"
node --input-type=module -e 'import { RedisBroker, RedisConnection, RedisSessionStore } from "holdfast/redis"
if (!(RedisBroker.layer && RedisConnection.layer && RedisSessionStore.layer)) throw new Error("an export is missing")'
cp "$root"/test/readme/{connection,client,gateway,browser}.ts .
"$root/node_modules/.bin/tsc" --noEmit --strict --exactOptionalPropertyTypes --module nodenext --target es2022 --skipLibCheck ./*.ts
core=$(grep -lE 'from "(node:|ws"|ioredis"|@effect/platform-node)' $(find node_modules/holdfast/dist/{protocol,connection,session,topic,client,gateway,promise,testing} -name "*.js") || true)
[ -z "$core" ] || { echo "the core imports Node: $core"; exit 1; }
echo '<script type="module" src="./browser.ts"></script>' > index.html
"$root/node_modules/.bin/vite" build --logLevel warn --minify false
[ -z "$(grep -lE '__vite-browser-external|from "node:|require\(' dist/assets/*.js || true)" ] || { echo "a page's bundle asks for Node"; exit 1; }
grep -q sessionStorage dist/assets/*.js || { echo "the bundle is not that of the page"; exit 1; }
[ -s node_modules/holdfast/dist/inspector/index.html ] || { echo "the inspector's page is missing"; exit 1; }
echo "the package works from outside"
