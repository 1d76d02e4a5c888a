/** How everything looks: one accent, quiet surfaces, colours that pass contrast. */
import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from '@mantine/core';

const pine: MantineColorsTuple = [
  '#ecf7f2', '#d6eee4', '#aedccb', '#83c9b0', '#5fb799', '#3fa184', '#1f8a6f', '#12745f', '#0d5c4c', '#08433a',
];

/** Greys of the dark paper: inputs and menus are of the same family as the cards they lie on. */
const dark: MantineColorsTuple = [
  '#e6ece9', '#c3cdc9', '#a2b0aa', '#8b9993', '#2f3d39', '#263330', '#1a2522', '#182220', '#131b19', '#101715',
];

export const theme = createTheme({
  primaryColor: 'pine',
  primaryShade: { light: 7, dark: 4 },
  autoContrast: true,
  luminanceThreshold: 0.35,
  colors: { pine, dark },
  fontFamily: "'Inter Variable', system-ui, sans-serif",
  headings: { fontFamily: "'Newsreader Variable', Georgia, serif", fontWeight: '500' },
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    TextInput: { defaultProps: { size: 'md' } },
    PasswordInput: { defaultProps: { size: 'md' } },
    Textarea: { defaultProps: { size: 'md' } },
    Select: { defaultProps: { size: 'md' } },
    NativeSelect: { defaultProps: { size: 'md' } },
    NumberInput: { defaultProps: { size: 'md' } },
    Modal: { defaultProps: { centered: true, radius: 'lg', overlayProps: { backgroundOpacity: 0.45, blur: 2 } } },
  },
});

export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-body': '#f7f5f0',
    '--mantine-color-text': '#1d2925',
    '--mantine-color-dimmed': '#56635e',
    '--mantine-color-placeholder': '#6b7671',
    '--mantine-color-error': '#a8281c',
    '--mantine-color-anchor': '#0d5c4c',
    '--mantine-color-default': '#fffefb',
    '--mantine-color-default-border': '#d8d3c6',
    '--mantine-color-default-hover': '#f3f0e8',
  },
  dark: {
    '--mantine-color-body': '#101715',
    '--mantine-color-text': '#e6ece9',
    '--mantine-color-dimmed': '#a2b0aa',
    '--mantine-color-placeholder': '#8b9993',
    '--mantine-color-error': '#ff9b8d',
    '--mantine-color-anchor': '#83c9b0',
    '--mantine-color-default': '#182220',
    '--mantine-color-default-border': '#2f3d39',
    '--mantine-color-default-hover': '#1f2b28',
    '--mantine-primary-color-contrast': '#0c1512',
  },
});
