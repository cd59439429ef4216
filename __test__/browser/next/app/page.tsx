"use client";

import dynamic from "next/dynamic";

// The address says which hooks are shown, and a server does not see its fragment.
const AskedHooks = dynamic(() => import("../hooks/asked.jsx"), { ssr: false });

export default function Page() {
  return (
    <main>
      <AskedHooks />
    </main>
  );
}
