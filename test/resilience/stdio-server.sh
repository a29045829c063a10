# An MCP server on stdio, for tests that start a thousand of them: it starts within a millisecond or two. It
# knows revision 2025-06-18 and takes the id for the first member of a message. The name of the client, or of
# the tool, says what it does:
#   fork   a process that it has started keeps its pipes open
#   deaf   it ignores SIGTERM and the end of its stdin
#   mute   it does not answer `initialize`
#   crash  it kills itself
#   wait   it reports progress, and answers the call when it is notified of `test/finish`

answer() {
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"
}

deaf=
while IFS= read -r line; do
  id=${line#*\"id\":}
  id=${id%%,*}
  case $line in
  *'"method":"initialize"'*)
    # The process inherits what is ignored.
    case $line in *deaf*) deaf=1 && trap '' TERM ;; esac
    case $line in *fork*) sleep 100000 & ;; esac
    case $line in *mute*) continue ;; esac
    info='{"name":"quick","version":"1.0.0"}'
    answer "$id" '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":'"$info"'}'
    ;;
  *'"method":"tools/call"'*crash*)
    kill -KILL $$
    ;;
  *'"method":"tools/call"'*wait*)
    waiting=$id
    printf '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":1}}\n' "$id"
    ;;
  *'"method":"test/finish"'*)
    answer "$waiting" '{"content":[]}'
    ;;
  *'"method":"notifications/'*) ;;
  *'"method":"ping"'*)
    answer "$id" '{}'
    ;;
  *)
    printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}\n' "$id"
    ;;
  esac
done
if [ -n "$deaf" ]; then exec sleep 100000; fi
