/** The add-on's own style; colours come from the pages, in light and in dark. */
export const sheet = `
.monitor-addon { font-size: 14px; color: inherit; }
.monitor-addon [hidden] { display: none !important; }
.monitor-tab { padding: 16px 20px; overflow: auto; height: 100%; box-sizing: border-box; }
.monitor-addon .line { display: flex; flex-wrap: wrap; gap: 8px 10px; align-items: center; }
.monitor-addon .gap { flex: 1; }
.monitor-addon small, .monitor-addon .dim { opacity: 0.72; font-size: 12px; }
.monitor-addon h3 { margin: 24px 0 8px; font-size: 15px; font-weight: 600; }
.monitor-addon .line h3 { margin: 0; }
.monitor-addon .line:has(> h3) { margin: 24px 0 8px; }
.monitor-addon > style + * > .line:first-child, .monitor-addon [role='tabpanel'] > div > p[hidden] + .line { margin-top: 0; }
.monitor-addon p { margin: 0 0 10px; }
.monitor-addon .figures { display: flex; flex-wrap: wrap; align-items: baseline; gap: 10px 26px; margin-bottom: 14px; }
.monitor-addon .figures b { font-size: 22px; font-weight: 600; font-variant-numeric: tabular-nums; margin-right: 6px; }
.monitor-addon .views { display: flex; flex-wrap: wrap; gap: 4px; border-bottom: 1px solid #8884; margin-bottom: 16px; }
.monitor-addon .views button { background: none; color: inherit; border: 0; border-bottom: 2px solid transparent; border-radius: 0; padding: 9px 12px; opacity: 0.8; }
.monitor-addon .views button[aria-selected='true'] { border-color: var(--mantine-primary-color-filled, #0f6570); opacity: 1; font-weight: 600; }
.monitor-addon .filters { display: flex; flex-wrap: wrap; gap: 10px; margin-bottom: 14px; }
.monitor-addon .filters .field { width: 170px; margin: 0; }
.monitor-addon .field { display: block; margin: 0 0 10px; }
.monitor-addon .field > span { display: block; font-size: 12px; opacity: 0.8; margin-bottom: 3px; }
.monitor-addon .field > small { display: block; margin-top: 2px; }
.monitor-addon .tick { display: flex; gap: 8px; align-items: center; margin: 0 0 10px; }
.monitor-addon .line > .tick { margin: 0; }
.monitor-addon .line + .tick { margin-top: 12px; }
.monitor-addon ul.list { list-style: none; margin: 0; padding: 0; border: 1px solid #8884; border-radius: 9px; overflow: hidden; background: var(--pb-surface, transparent); }
.monitor-addon ul.list > li { padding: 10px 14px; border-top: 1px solid #8883; }
.monitor-addon ul.list > li:first-child { border-top: 0; }
.monitor-addon li .row { display: grid; grid-template-columns: auto 118px minmax(0, 1fr) auto; gap: 6px 12px; align-items: center; }
.monitor-addon li .row.plain { grid-template-columns: 118px minmax(0, 1fr) auto; }
.monitor-addon li .row.wide { grid-template-columns: minmax(0, 1fr) auto; }
.monitor-addon .what { min-width: 0; overflow-wrap: anywhere; }
.monitor-addon .what .name { font-weight: 550; }
.monitor-addon .what button.name { background: none; color: inherit; border: 0; padding: 0; text-align: left; font-size: 14px; font-weight: 550; overflow-wrap: anywhere; }
.monitor-addon .what button.name:hover { text-decoration: underline; }
.monitor-addon .what button.name::before { content: '▸' / ''; display: inline-block; width: 1em; opacity: 0.6; }
.monitor-addon .what button.name[aria-expanded='true']::before { content: '▾' / ''; }
.monitor-addon .under { display: flex; flex-wrap: wrap; gap: 2px 10px; font-size: 12.5px; opacity: 0.85; }
.monitor-addon .does { display: flex; flex-wrap: wrap; gap: 6px; justify-content: flex-end; }
.monitor-addon .level, .monitor-addon .sign { display: inline-block; padding: 3px 9px; border-radius: 999px; font-size: 12px; font-weight: 600; background: #8883; line-height: 1.35; justify-self: start; }
.monitor-addon .under .sign { border-radius: 9px; padding: 1px 8px; font-weight: 500; }
.monitor-addon .level.OK, .monitor-addon .sign.good { background: #3f9f6c33; }
.monitor-addon .level.WARNING, .monitor-addon .sign.uneasy { background: #f3981855; }
.monitor-addon .level.CRITICAL, .monitor-addon .level.CRITICAL_FLAPPING { background: #c03a2f; color: #fff; }
.monitor-addon .level.UNKNOWN { background: #2d8e9944; }
.monitor-addon .sign.bad { background: #d4483844; }
.monitor-addon .details-of { margin: 10px 0 4px; padding: 12px 14px; background: #8881; border-radius: 7px; }
.monitor-addon .description { white-space: pre-wrap; overflow-wrap: anywhere; }
.monitor-addon dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 3px 14px; margin: 8px 0 0; font-size: 12.5px; }
.monitor-addon dt { opacity: 0.72; }
.monitor-addon dd { margin: 0; overflow-wrap: anywhere; }
.monitor-addon .lines { font-family: var(--mantine-font-family-monospace, monospace); font-size: 12.5px; line-height: 1.5; max-height: 340px; overflow: auto; border: 1px solid #8884; border-radius: 6px; padding: 6px 0; }
.monitor-addon .lines > div { display: flex; gap: 12px; padding: 0 12px; min-width: max-content; }
.monitor-addon .lines > div > :last-child { white-space: pre; }
.monitor-addon .number { min-width: 4ch; text-align: right; opacity: 0.6; user-select: none; }
.monitor-addon .matching { background: #f3981833; }
.monitor-addon mark { background: #f3981866; color: inherit; font-weight: 600; }
.monitor-addon table { width: 100%; border-collapse: collapse; }
.monitor-addon .scroll { overflow-x: auto; }
.monitor-addon th { text-align: left; font-weight: 500; font-size: 12px; opacity: 0.75; padding: 4px 12px 4px 0; white-space: nowrap; }
.monitor-addon td { padding: 8px 12px 8px 0; border-top: 1px solid #8883; vertical-align: top; overflow-wrap: anywhere; }
.monitor-addon td:last-child { text-align: right; padding-right: 0; white-space: nowrap; }
.monitor-addon td:last-child > * + * { margin-left: 6px; }
.monitor-addon code { font-size: 12.5px; }
.monitor-addon .problem { padding: 9px 12px; border-radius: 6px; background: #d4483833; overflow-wrap: anywhere; }
.monitor-addon .empty { padding: 34px 16px; text-align: center; opacity: 0.8; }
.monitor-addon .empty b { display: block; margin-bottom: 4px; }
.monitor-addon .pager { margin-top: 12px; }
.monitor-addon .bar { position: sticky; bottom: 10px; margin-top: 10px; padding: 8px 14px; border: 1px solid #8886; border-radius: 9px; background: var(--pb-surface, Canvas); box-shadow: 0 4px 18px #0002; }
.monitor-addon button, .monitor-addon a.button { font: inherit; font-size: 13px; padding: 5px 11px; border: 1px solid transparent; border-radius: 6px; cursor: pointer; text-decoration: none;
  background: var(--mantine-primary-color-filled, #0f6570); color: #fff; }
.monitor-addon button.quiet, .monitor-addon a.button.quiet { background: transparent; color: inherit; border-color: #8886; }
.monitor-addon button:disabled { opacity: 0.5; cursor: default; }
.monitor-addon :is(button, a, input, select, textarea, .lines):focus-visible { outline: 2px solid var(--mantine-primary-color-filled, #0f6570); outline-offset: 1px; }
.monitor-addon a:not(.button) { color: var(--mantine-color-anchor, inherit); }
.monitor-addon :is(input:not([type='checkbox']), select, textarea) { font: inherit; padding: 6px 8px; width: 100%; box-sizing: border-box; border: 1px solid #8886; border-radius: 6px; background: transparent; color: inherit; }
.monitor-addon input[type='checkbox'] { width: 16px; height: 16px; accent-color: var(--mantine-primary-color-filled, #0f6570); }
.monitor-addon option { color: #222; background: #fff; }
.monitor-addon dialog { width: min(520px, calc(100vw - 32px)); box-sizing: border-box; padding: 20px; border: 1px solid #8886; border-radius: 11px; background: var(--pb-surface, Canvas); color: inherit; box-shadow: 0 14px 50px #0005; }
.monitor-addon dialog::backdrop { background: #0008; }
.monitor-addon dialog h3 { margin: 0 0 12px; }
.monitor-addon .foot { margin-top: 16px; }
.monitor-addon .two { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 0 12px; }
@media (max-width: 46em) {
  .monitor-addon li .row, .monitor-addon li .row.plain { grid-template-columns: auto minmax(0, 1fr); }
  .monitor-addon li .row.plain { grid-template-columns: minmax(0, 1fr); }
  .monitor-addon li .row .what, .monitor-addon li .row .does { grid-column: 1 / -1; }
  .monitor-addon .does { justify-content: flex-start; }
  .monitor-addon .filters .field { width: calc(50% - 5px); }
  .monitor-addon .scroll > table { min-width: 34em; }
}
`;
