export function TrafficPage() {
  return <main class="page" />;
}
