import { RIGHTS_SCENARIOS } from "./rights_scenarios.ts";

for (const { name, run } of RIGHTS_SCENARIOS) Deno.test(`rights: ${name}`, () => run());
