/** The add-on's own style; colours come from the page, in light and in dark. */
export const sheet = `
.configure-addon { padding: 16px 20px; overflow: auto; font-size: 14px; height: 100%; box-sizing: border-box; }
.configure-page { padding: 0; overflow: visible; height: auto; }
.configure-addon [hidden] { display: none !important; }
.configure-addon header, .configure-addon .revision, .configure-buttons { display: flex; flex-wrap: wrap; gap: 12px; align-items: center; }
.configure-addon header { margin-bottom: 14px; }
.configure-addon small { display: block; opacity: 0.7; font-size: 12px; }
.configure-addon .gap { flex: 1; }
.configure-addon h3 { margin: 22px 0 8px; font-size: 15px; font-weight: 600; }
.configure-addon h3:first-child { margin-top: 0; }
.configure-addon table { width: 100%; border-collapse: collapse; }
.configure-addon th { text-align: left; font-weight: 500; font-size: 12px; opacity: 0.7; padding: 4px 10px 4px 0; }
.configure-addon td { padding: 8px 10px 8px 0; border-top: 1px solid #8883; vertical-align: top; }
.configure-addon td:last-child { text-align: right; width: 1%; padding-right: 0; }
.configure-addon .value { overflow-wrap: anywhere; white-space: pre-wrap; }
.configure-addon em { opacity: 0.6; }
.configure-addon tr.differs td:nth-child(4) { color: var(--mantine-color-orange-text, #b86f04); }
.configure-addon .state { padding: 3px 10px; border-radius: 999px; font-size: 12px; font-weight: 600; background: #8883; }
.configure-addon .state.current { background: #3f9f6c33; }
.configure-addon .state.pending { background: #2d8e9933; }
.configure-addon .state.changed, .configure-addon .state.drifted { background: #f3981844; }
.configure-addon .state.failed, .configure-addon .problem { background: #d4483833; }
.configure-addon .problem { padding: 10px 12px; border-radius: 6px; }
.configure-addon .empty { opacity: 0.75; }
.configure-addon ol { list-style: none; margin: 0; padding: 0; }
.configure-addon li { border-top: 1px solid #8883; padding: 8px 0; }
.configure-addon li code { display: block; margin: 2px 0 0 22px; overflow-wrap: anywhere; font-size: 13px; }
.configure-addon .gone { opacity: 0.65; }
.configure-addon button { font: inherit; font-size: 13px; padding: 6px 12px; border: 1px solid transparent; border-radius: 6px; cursor: pointer;
  background: var(--mantine-primary-color-filled, #0f6570); color: #fff; }
.configure-addon button.quiet { background: transparent; color: inherit; border-color: #8886; }
.configure-addon input, .configure-addon select { font: inherit; padding: 6px 8px; width: 100%; border: 1px solid #8886; border-radius: 6px;
  background: transparent; color: inherit; }
.configure-addon option { color: #222; background: #fff; }
.configure-buttons { margin-top: 14px; }
.configure-addon .buttons, .configure-addon .offers { display: flex; flex-wrap: wrap; gap: 8px; }
.configure-addon .offers { margin-top: 10px; }
.configure-addon header > select { width: auto; min-width: 180px; max-width: 100%; }
.configure-addon .priority { display: block; margin-top: 14px; max-width: 360px; }
.configure-addon .priority input { max-width: 120px; display: block; margin-top: 3px; }
.configure-addon section { margin-top: 26px; }
.configure-addon .foot { margin: 10px 0 0; }
.configure-addon table.given td:last-child, .configure-addon table.differing td:last-child { text-align: left; width: auto; }
.configure-addon table.given td:first-child { width: 34%; }
.configure-addon a { color: var(--mantine-color-anchor, inherit); }
.configure-addon details { margin-top: 28px; border-top: 1px solid #8883; padding-top: 14px; }
.configure-addon summary { cursor: pointer; font-weight: 600; font-size: 15px; }
.configure-addon textarea { width: 100%; box-sizing: border-box; font-family: var(--mantine-font-family-monospace, monospace); font-size: 13px;
  padding: 8px 10px; border: 1px solid #8886; border-radius: 6px; background: transparent; color: inherit; }
.configure-addon :is(button, a, input, select, textarea, summary):focus-visible { outline: 2px solid var(--mantine-primary-color-filled, #0f6570); outline-offset: 1px; }
@media (max-width: 46em) {
  .configure-addon table.settings :is(tbody, tr, td) { display: block; width: auto; }
  .configure-addon table.settings thead { display: none; }
  .configure-addon table.settings tr { border-top: 1px solid #8883; padding: 8px 0; }
  .configure-addon table.settings td { border: 0; padding: 2px 0; text-align: left; }
  .configure-addon table.settings td:not(:first-child, :last-child)::before { content: attr(data-head); display: inline-block; width: 76px; font-size: 12px; opacity: 0.7; }
  .configure-addon table.settings small { margin-left: 76px; }
  .configure-addon form td:last-child { width: auto; }
}
`;
