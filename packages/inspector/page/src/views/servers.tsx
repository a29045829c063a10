export function ServersPage() {
  return <main class="page" />;
}
