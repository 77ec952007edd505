import { createTheme, rem, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

// The colours of the room a patch bay stands in: stone for paper, ink for the rack, petrol for what one may press,
// and one amber, kept for the cord: it marks where one is and nothing else.
const stone: MantineColorsTuple = [
  '#f8f8f6',
  '#f1f1ee',
  '#e5e5e0',
  '#d3d3cd',
  '#b4b5ae',
  '#8e908a',
  '#6c6e69',
  '#52544f',
  '#383a36',
  '#252724',
];
const ink: MantineColorsTuple = [
  '#d4dade',
  '#b0b9bf',
  '#8b969d',
  '#5f6b73',
  '#343e45',
  '#29323a',
  '#20282e',
  '#171d22',
  '#12171b',
  '#0c1013',
];
const petrol: MantineColorsTuple = [
  '#e6f5f6',
  '#d0e7ea',
  '#a2cfd4',
  '#6fb4bc',
  '#479fa9',
  '#2d8e99',
  '#1c7884',
  '#0f6570',
  '#0a5a65',
  '#0a4d57',
];
const amber: MantineColorsTuple = [
  '#fff5e1',
  '#ffe9cb',
  '#fcd299',
  '#f8b963',
  '#f5a536',
  '#f39818',
  '#e08a0c',
  '#b86f04',
  '#8f5500',
  '#6b3f00',
];

const pine: MantineColorsTuple = [
  '#e9f5ee',
  '#d6ebdf',
  '#abd6bf',
  '#7dbf9c',
  '#57ac7f',
  '#3f9f6c',
  '#2f8a5b',
  '#23704a',
  '#1d6b45',
  '#185a3a',
];
const brick: MantineColorsTuple = [
  '#fdeeec',
  '#fbe5e2',
  '#efb1aa',
  '#e5867c',
  '#dd6156',
  '#d44a3e',
  '#c03a2f',
  '#a32e25',
  '#8a2921',
  '#73221b',
];

export const theme = createTheme({
  colors: { gray: stone, dark: ink, petrol, amber, green: pine, red: brick },
  primaryColor: 'petrol',
  primaryShade: { light: 7, dark: 5 },
  autoContrast: true,
  fontFamily: '"Inter Variable", system-ui, -apple-system, "Segoe UI", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace',
  defaultRadius: 'md',
  radius: { xs: rem(3), sm: rem(5), md: rem(7), lg: rem(10), xl: rem(16) },
  headings: { fontWeight: '620', sizes: { h1: { fontSize: rem(22), lineHeight: '1.3' }, h2: { fontSize: rem(16) } } },
  cursorType: 'pointer',
  components: {
    Tooltip: {
      defaultProps: {
        withArrow: true,
        openDelay: 250,
        multiline: true,
        maw: 320,
        events: {
          hover: true,
          focus: true,
          touch: true,
        },
      },
    },
    Modal: { defaultProps: { overlayProps: { backgroundOpacity: 0.45, blur: 1 }, centered: true, lockScroll: false } },
    Button: { defaultProps: { size: 'sm' } },
    Badge: { defaultProps: { variant: 'light', radius: 'sm', tt: 'none', fw: 550 } },
    Anchor: { defaultProps: { underline: 'hover' } },
    Skeleton: { defaultProps: { radius: 'sm' } },
  },
});

/** Surfaces the theme has no word for. */
export const variables: CSSVariablesResolver = () => ({
  variables: {
    '--pb-rack': '#151b20',
    '--pb-rack-text': '#c3ccd2',
    '--pb-rack-dim': '#85929b',
    '--pb-cord': '#f0a83c',
  },
  light: {
    '--mantine-color-body': '#fbfbf9',
    '--mantine-color-text': '#23262a',
    '--pb-surface': '#ffffff',
    '--pb-line': '#e7e7e2',
    '--pb-hover': '#f5f5f1',
    '--pb-chosen': '#e9f3f4',
    '--pb-good': '#3d9a63',
    '--pb-bad': '#d1453b',
    '--pb-idle': '#b4b5ae',
    '--pb-work': '#2d8e99',
  },
  dark: {
    '--mantine-color-body': '#12171b',
    '--pb-surface': '#191f25',
    '--pb-line': '#2a333a',
    '--pb-hover': '#1f262c',
    '--pb-chosen': '#17302f',
    '--pb-good': '#4aa873',
    '--pb-bad': '#d9574e',
    '--pb-idle': '#5f6b73',
    '--pb-work': '#2d8e99',
  },
});
