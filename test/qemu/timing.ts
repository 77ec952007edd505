import { mkdtempSync, readFileSync } from 'node:fs';
import { buildBoard } from './board.ts';
import { Machine } from './machine.ts';
const folder = mkdtempSync('/tmp/pb-qemu-');
const b = await buildBoard(folder, 'http://10.0.2.2:1');
console.log(folder);
for (let i = 0; i < 2; i++) {
  const m = Machine.start({ folder, ...b });
  const cpu = () => {
    const f = readFileSync(`/proc/${m.console.child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return (Number(f[11]) + Number(f[12])) / 100;
  };
  for (const p of [/lock: OK/, /Linux version|Command line/, /Freeing unused kernel/, /board:/, /client started/]) {
    try {
      await m.console.said(p, 120000);
      console.log(cpu(), p);
    } catch (e) {
      console.log('no', p);
    }
  }
  console.log(
    m.console.lines
      .slice(0, 400)
      .filter((l, i) => i % 1 === 0)
      .join('\n')
      .slice(0, 30000),
  );
  await m.pullPlug();
}
