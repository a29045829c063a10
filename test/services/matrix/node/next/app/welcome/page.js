import { cookies } from "next/headers";

export default async function Page() {
  return <p>hello {(await cookies()).get("user")?.value}</p>;
}
