import { notice } from "./notice.ts";

/** Where the page shows what has just been done or has failed. */
export function NoticePlace() {
  return (
    <div class="notice-place" role="status">
      {notice.value !== undefined && (
        <p class={notice.value.isError ? "notice error" : "notice"}>{notice.value.text}</p>
      )}
    </div>
  );
}
