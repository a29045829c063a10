export function McpPage() {
  return <main class="page" />;
}
