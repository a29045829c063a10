import { ApiProblem, messageOf } from "mcp-tunnel-page/api.ts";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { access, callApi, secret } from "./api.ts";

/** Why the relay lets nobody in, whatever is typed. */
type Obstacle = "secret_required" | "unreachable" | { readonly message: string };

/** Asks for the relay's secret, and says what is wrong with it, or with the relay. */
export function SignIn() {
  const [obstacle, setObstacle] = useState<Obstacle | undefined>(undefined);
  const [wrong, setWrong] = useState(
    access.value === "refused"
      ? "The relay does not know the secret that this page had. It may have a new one."
      : "",
  );
  const [isBusy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const id = useId();

  // Asked with no secret, a relay that has one answers 401. Any other answer is something to know before.
  const look = (): void => {
    setObstacle(undefined);
    callApi("overview", { secret: "" }).catch((error: unknown) => setObstacle(obstacleOf(error)));
  };
  useEffect(() => {
    look();
    document.title = "Sign in - mcp-tunnel relay";
    field.current?.focus();
  }, []);

  const signIn = async (): Promise<void> => {
    const typed = field.current?.value.trim() ?? "";
    if (typed === "") {
      setWrong("Type the secret first.");
      field.current?.focus();
      return;
    }
    setBusy(true);
    try {
      await callApi("overview", { secret: typed });
      secret.keep(typed);
      access.value = "ok";
    } catch (error) {
      setBusy(false);
      setObstacle(obstacleOf(error));
      const isWrong = error instanceof ApiProblem && error.status === 401;
      setWrong(isWrong ? "That is not the relay's admin secret." : "");
      field.current?.focus();
      field.current?.select();
    }
  };

  return (
    <main class="no-secret">
      <h1>mcp-tunnel relay</h1>
      {obstacle === "secret_required" ? (
        <NoSecret onLook={look} />
      ) : (
        <form
          class="sign-in"
          onSubmit={(event) => {
            event.preventDefault();
            void signIn();
          }}
        >
          <p>
            This page shows the relay's tunnels and makes tokens, so it opens only with the relay's admin
            secret: what the file of <code>--admin-secret-file</code> has in it.
          </p>
          {/* For programs that keep passwords: there is one user. */}
          <input type="text" autocomplete="username" value="relay" readOnly hidden />
          <label class="form-field">
            <span>Admin secret</span>
            <input
              ref={field}
              class="field"
              type="password"
              autocomplete="current-password"
              spellcheck={false}
              aria-invalid={wrong !== ""}
              aria-describedby={id}
            />
          </label>
          <p id={id} class="bad sign-in-wrong" role="alert">
            {wrong}
          </p>
          {obstacle !== undefined && (
            <p class="bad" role="alert">
              {obstacle === "unreachable"
                ? "The relay does not answer. Is it running?"
                : `The relay says: ${obstacle.message}`}
            </p>
          )}
          <div class="dialog-actions">
            <button type="submit" class="button primary" disabled={isBusy}>
              Sign in
            </button>
          </div>
          <p class="muted">This tab keeps the secret until it is closed, and sends it to this relay alone.</p>
        </form>
      )}
    </main>
  );
}

function obstacleOf(error: unknown): Obstacle | undefined {
  if (!(error instanceof ApiProblem)) return { message: messageOf(error) };
  if (error.status === 401) return undefined;
  if (error.code === "secret_required" || error.code === "unreachable") return error.code;
  return { message: error.message };
}

function NoSecret({ onLook }: { readonly onLook: () => void }) {
  return (
    <>
      <p role="alert">This relay has no admin secret, so its page is off.</p>
      <p>Write a secret into a file that the relay alone can read, and start the relay with it:</p>
      <pre class="sign-in-how">
        openssl rand -base64 32 &gt; admin-secret{"\n"}
        chmod 600 admin-secret{"\n"}
        mcp-tunnel --admin-secret-file admin-secret …
      </pre>
      <p class="muted">The page creates tokens, so it needs a secret on the relay's own machine, too.</p>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onLook}>
          Look again
        </button>
      </div>
    </>
  );
}
