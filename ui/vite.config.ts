import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// The pages are served by the server itself, under a policy that allows only its own files: nothing may be inlined.
export default defineConfig({
  base: '/',
  plugins: [svelte()],
  build: {
    outDir: '../src/twokey/surfaces/control_room',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
  },
  server: { proxy: { '/api': 'http://127.0.0.1:8080' } },
});
