/** How the console is built: hashed files, nothing inlined (the content security policy is `default-src 'self'`), one font format. */
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Every browser that can run the console reads woff2, so the older format would only make the wheel larger. */
function onlyWoff2(): Plugin {
  return {
    name: "only-woff2",
    enforce: "pre",
    transform(code, id) {
      if (!id.includes("@fontsource") || !id.includes(".css")) return null;
      return { code: code.replace(/,\s*url\([^)]+\.woff\)\s*format\(['"]woff['"]\)/g, ""), map: null };
    },
  };
}

const backend = process.env["SEKISHO_CONSOLE_BACKEND"] ?? "http://127.0.0.1:4701";

export default defineConfig({
  plugins: [onlyWoff2(), react(), tailwindcss()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: { assetsInlineLimit: 0, target: "es2023", cssMinify: true, reportCompressedSize: false, chunkSizeWarningLimit: 600 },
  server: {
    port: 4700,
    strictPort: true,
    proxy: { "/api": { target: backend, ws: true }, "/gateway": { target: backend } },
  },
  test: { environment: "jsdom", globals: false, setupFiles: ["src/testing/setup.ts"], include: ["src/**/*.test.{ts,tsx}"], css: false },
});
