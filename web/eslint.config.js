import a11y from 'eslint-plugin-jsx-a11y';
import hooks from 'eslint-plugin-react-hooks';
import ts from 'typescript-eslint';

export default ts.config(
  { ignores: ['dist', 'node_modules', 'src/vault-worker/pkg', 'src/vault-worker/pkg-visit', 'src/press/pkg', 'src/api.gen'] },
  ...ts.configs.recommended,
  a11y.flatConfigs.recommended,
  {
    plugins: { 'react-hooks': hooks },
    rules: {
      'react-hooks/rules-of-hooks': 'error',
      'react-hooks/exhaustive-deps': 'error',
      'jsx-a11y/no-autofocus': 'off',
      'no-restricted-globals': ['error', { name: 'fetch', message: 'lib/api and the workers are the only fetch.' }],
      'no-restricted-syntax': [
        'error',
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: 'Records are text, never markup.' },
      ],
    },
  },
  {
    // Links of other systems are not kept here.
    files: ['src/lib/api.ts', 'src/lib/health-link.ts', 'src/vault-worker/**', 'src/press/**', 'tests/**'],
    rules: { 'no-restricted-globals': 'off' },
  },
);
