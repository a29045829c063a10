import { cookies } from "next/headers";
import { redirect } from "next/navigation";

async function greet(form) {
  "use server";
  (await cookies()).set("user", form.get("user"));
  redirect("/welcome");
}

export default function Page() {
  return (
    <form action={greet}>
      <input name="user" />
      <button type="submit">greet</button>
    </form>
  );
}
