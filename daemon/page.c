/* SPDX-License-Identifier: MIT */
#include "daemon/page.h"

#include <string.h>

/* The assembler reads the file when this one is compiled; the Makefile knows that it is needed. */
#define CARRY(name, path)                                  \
	__asm__(".pushsection .rodata\n" #name "_start:\n" \
		".incbin \"" path "\"\n" #name "_end:\n"   \
		".popsection\n");                          \
	extern const char name##_start[], name##_end[]

CARRY(page_html, "web/index.html");
CARRY(page_css, "web/page.css");
CARRY(page_js, "web/page.js");
CARRY(page_icon, "web/icon.svg");

static const struct page_file files[] = {
	{ "/", "text/html; charset=utf-8", page_html_start, page_html_end },
	{ "/page.css", "text/css; charset=utf-8", page_css_start, page_css_end },
	{ "/page.js", "text/javascript; charset=utf-8", page_js_start, page_js_end },
	{ "/icon.svg", "image/svg+xml", page_icon_start, page_icon_end },
};

const struct page_file *page_find(const char *path)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (strcmp(files[i].path, path) == 0)
			return &files[i];
	return NULL;
}
