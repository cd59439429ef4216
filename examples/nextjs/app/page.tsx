import { Approval } from "@/components/approval";
import { Events } from "@/components/events";
import { OneConnection } from "@/components/one-connection";
import { Progress } from "@/components/progress";
import { Story } from "@/components/story";

export default function Page() {
  return (
    <main>
      <header>
        <h1>Runs, live</h1>
        <p>Started by a server action, followed by hooks through this app’s own relay route.</p>
      </header>
      <div className="cards">
        <Progress />
        <Story />
        <Approval />
        <OneConnection />
        <Events />
      </div>
    </main>
  );
}
