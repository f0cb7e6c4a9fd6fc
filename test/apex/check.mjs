// Checks the SFDX project in apex/: names and types by apex-ls, rules by PMD. A
// checker that finds nothing proves nothing, so each is also shown faults put into a
// copy of the project, and has to find exactly those.
//
//   node check.mjs              check, and prove that the checks can fail
//   node check.mjs FOLDER       check another project
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import core from '@salesforce/code-analyzer-core';
import pmdEngine from '@salesforce/code-analyzer-pmd-engine';

const here = dirname(fileURLToPath(import.meta.url));
const project = process.argv[2] ?? join(here, '../../apex');
const jars = join(here, 'node_modules/@salesforce/code-analyzer-pmd-engine/dist/java-lib/*');
const run = promisify(execFile);

// Rules that this project does not follow, and why.
const waived = new Set([
  'ApexDoc', // comments are sentences, not tables of parameters
  'ApexUnitTestClassShouldHaveRunAs', // the one test about rights has it
]);

/** Names and types. Returns "file:line message" for each finding. */
async function checkTypes(folder) {
  const args = ['-cp', jars, 'io.github.apexdevtools.apexls.CheckForIssues', '-n', '-d', 'warnings', '-f', 'json', '-w', folder];
  const answer = await run('java', args, { maxBuffer: 16 << 20 }).catch((e) => {
    if (e.code !== 4) throw e; // 4: there are findings
    return e;
  });
  return JSON.parse(answer.stdout).files.flatMap((f) =>
    f.messages.map((m) => `${relative(folder, f.path)}:${m.start.line} ${m.message}`),
  );
}

/** Rules. A file that PMD cannot read is a finding too: it only logs that. */
async function checkRules(folder) {
  const analyzer = new core.CodeAnalyzer(core.CodeAnalyzerConfig.withDefaults());
  const trouble = [];
  for (const event of [core.EventType.EngineLogEvent, core.EventType.LogEvent]) {
    analyzer.onEvent(event, (e) => e.logLevel === core.LogLevel.Error && trouble.push(e.message));
  }
  await analyzer.addEnginePlugin(new pmdEngine.PmdCpdEnginesPlugin());
  const rules = await analyzer.selectRules(['pmd:Recommended']);
  if (rules.getCount() < 50) throw new Error(`only ${rules.getCount()} rules were found; expected the whole set`);
  const results = await analyzer.run(rules, { workspace: await analyzer.createWorkspace([folder]) });
  const found = results
    .getViolations()
    .filter((v) => !waived.has(v.getRule().getName()))
    .map((v) => {
      const at = v.getPrimaryLocation();
      return `${relative(folder, at.getFile())}:${at.getStartLine()} ${v.getRule().getName()}: ${v.getMessage()}`;
    });
  return [...trouble, ...found];
}

/** A copy of the project in which one text of a class stands for another. */
async function withFault(file, text, fault) {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-apex-'));
  await cp(project, folder, { recursive: true });
  const path = join(folder, 'force-app/main/default/classes', file);
  const source = await readFile(path, 'utf8');
  if (!source.includes(text)) throw new Error(`${file} has no "${text}" to put a fault in`);
  await writeFile(path, source.replace(text, fault));
  return folder;
}

/** Shows a fault to a check, which must report it in that file and with that word, and nothing else. */
async function proves(check, file, text, fault, word) {
  const folder = await withFault(file, text, fault);
  const found = await check(folder);
  await rm(folder, { recursive: true });
  const ok = found.length > 0 && found.every((f) => f.includes(file)) && found.some((f) => f.includes(word));
  if (!ok) throw new Error(`the fault "${fault}" in ${file} was not found; findings: ${JSON.stringify(found)}`);
  console.log(`a seeded fault is caught: ${found[0]}`);
}

const findings = [...(await checkTypes(project)), ...(await checkRules(project))];
for (const f of findings) console.log(f);
if (!process.argv[2]) {
  await proves(checkTypes, 'SallyportBatch.cls', 'request.setEndpoint(', 'request.setEndpont(', 'setEndpont');
  await proves(checkTypes, 'SallyportClaim.cls', 'Claimed_At__c = null', 'Claimed_On__c = null', 'Claimed_On__c');
  await proves(
    checkRules, 'SallyportBatch.cls', 'batch.rows.add(row);', 'batch.rows.add([SELECT Id FROM Sallyport_Outbox__c WITH SYSTEM_MODE LIMIT 1]);',
    'OperationWithLimitsInLoop',
  );
}
console.log(`${findings.length === 0 ? 1 : 0} passed, ${findings.length === 0 ? 0 : 1} failed: apex types and rules, ${findings.length} findings`);
process.exit(findings.length === 0 ? 0 : 1);
