/** The rules of the console: types checked, hooks held, access for all, no colours outside the tokens, no feature inside another. */
import a11y from "eslint-plugin-jsx-a11y";
import hooks from "eslint-plugin-react-hooks";
import ts from "typescript-eslint";

/** Features that others may use, because they are a form or a door rather than a screen. */
const shared = ["auth/login-form", "auth/door", "providers/provider-form"];
const features = ["auth", "setup", "overview", "apis", "keys", "calls", "providers", "models", "usage", "playground", "system", "settings"];

export default ts.config(
  { ignores: ["dist", "node_modules", "pictures", "public", "src/lib/api/schema.gen.ts", "dev"] },
  ...ts.configs.strictTypeChecked,
  a11y.flatConfigs.recommended,
  { languageOptions: { parserOptions: { projectService: { allowDefaultProject: ["eslint.config.js"] }, tsconfigRootDir: import.meta.dirname } } },
  {
    files: ["src/**/*.{ts,tsx}"],
    plugins: { "react-hooks": hooks },
    rules: {
      "react-hooks/rules-of-hooks": "error",
      "react-hooks/exhaustive-deps": "error",
      "no-restricted-syntax": [
        "error",
        { selector: "Literal[value=/#[0-9a-fA-F]{3}([0-9a-fA-F]{3})?\\b/]", message: "A colour stands in styles/tokens.css; use its name." },
        { selector: "Literal[value=/\\b(rgb|hsl|oklch)a?\\(/]", message: "A colour stands in styles/tokens.css; use its name." },
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "Text is text: nothing is ever parsed as HTML." },
        { selector: "MemberExpression[property.name=/^(innerHTML|outerHTML)$/]", message: "Text is text: nothing is ever parsed as HTML." },
      ],
      // Numbers in addresses and sizes are as plain as text.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/no-unused-expressions": "off",
      // The schema of the API is wider than what it sends; a guard too many does not hurt.
      "@typescript-eslint/no-unnecessary-condition": "off",
      // Scrolling regions have to be reachable by keyboard, rows open their drawer, and a dialog may take the focus.
      "jsx-a11y/no-noninteractive-tabindex": "off",
      "jsx-a11y/no-autofocus": "off",
      "jsx-a11y/click-events-have-key-events": "off",
      "jsx-a11y/no-static-element-interactions": "off",
      "jsx-a11y/no-noninteractive-element-interactions": "off",
    },
  },
  ...features.map((feature) => ({
    files: [`src/features/${feature}/**`],
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: [{ regex: `^@/features/(?!${feature}/|(${shared.join("|")})$)`, message: "A feature knows no other; what two need stands in lib or components." }] },
      ],
    },
  })),
  { files: ["src/components/**", "src/lib/**"], rules: { "no-restricted-imports": ["error", { patterns: [{ regex: "^@/(features|app)/", message: "What is shared knows neither screens nor the frame." }] }] } },
  {
    files: ["src/testing/**", "src/**/*.test.{ts,tsx}"],
    rules: { "no-restricted-imports": "off", "no-restricted-syntax": "off", "@typescript-eslint/unbound-method": "off", "@typescript-eslint/no-deprecated": "off", "@typescript-eslint/no-unnecessary-type-assertion": "off", "@typescript-eslint/no-unnecessary-type-conversion": "off" },
  },
  { files: ["*.config.js", "*.config.ts"], ...ts.configs.disableTypeChecked },
);
