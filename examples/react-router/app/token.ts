export async function fetchToken(): Promise<string> {
  const response = await fetch("/api/token", { method: "POST" });
  if (!response.ok) throw new Error(`No token: ${response.status}`);
  return (await response.json()).token;
}
