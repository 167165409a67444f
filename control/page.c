/* SPDX-License-Identifier: BSD-3-Clause */
/* Renders the status documents as HTML. */
#include "page.h"

#include <string.h>

#include "controller.h"
#include "daemon.h"
#include "status.h"

static const char style[] =
	"body{font:14px system-ui,sans-serif;margin:2em;color:#222;background:#fff}"
	"table{border-collapse:collapse;margin:1em 0}"
	"td,th{border:1px solid #ccc;padding:.3em .7em;text-align:left}"
	".owner{background:#2a7;color:#fff}.plan{background:#eef6f2}.none{background:#fdd}"
	"li{margin:.3em 0}";

void page_escape(const char *text, FILE *out)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

static void cell(const char *tag, const char *class, const char *text, FILE *out)
{
	fprintf(out, "<%s class=\"%s\">", tag, class);
	page_escape(text != NULL ? text : "", out);
	fprintf(out, "</%s>", tag);
}

/* The place of a node in the plan of a VIP, from 1; 0 when it has none. */
static size_t place(const json_t *vip, const char *node)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(vip, "nodes"), i, entry)
	{
		if (strcmp(json_string_value(entry), node) == 0)
			return i + 1;
	}
	return 0;
}

static void vip_row(const json_t *vip, const struct object_set *set, FILE *out)
{
	const char *owner = json_string_value(json_object_get(vip, "owner"));

	fputs("<tr>", out);
	cell("th", owner != NULL ? "" : "none", json_string_value(json_object_get(vip, "address")),
	     out);
	cell("td", "", json_string_value(json_object_get(vip, "class")), out);
	for (size_t i = 0; i < set->node_count; i++) {
		const char *node = set->nodes[i].meta.name;
		size_t rank = place(vip, node);
		char text[32] = "";

		if (owner != NULL && strcmp(owner, node) == 0)
			snprintf(text, sizeof(text), "holds it");
		else if (rank > 0)
			snprintf(text, sizeof(text), "%zu", rank);
		cell("td",
		     owner != NULL && strcmp(owner, node) == 0 ? "owner"
		     : rank > 0				       ? "plan"
							       : "",
		     text, out);
	}
	fputs("</tr>\n", out);
}

static void vip_table(const struct daemon *daemon, FILE *out)
{
	const struct object_set *set = controller_generation(daemon->controller)->set;
	json_t *document = status_vips(daemon);
	const json_t *vip;
	size_t i;

	fputs("<table><tr><th>VIP</th><th>class</th>", out);
	for (i = 0; i < set->node_count; i++)
		cell("th", "", set->nodes[i].meta.name, out);
	fputs("</tr>\n", out);
	json_array_foreach(json_object_get(document, "vips"), i, vip) vip_row(vip, set, out);
	fputs("</table>\n", out);
	json_decref(document);
}

static void peer_table(const struct daemon *daemon, FILE *out)
{
	json_t *document = status_peers(daemon);
	const json_t *peer;
	size_t i;

	fputs("<table><tr><th>peer</th><th>group</th><th>state</th></tr>\n", out);
	json_array_foreach(json_object_get(document, "peers"), i, peer)
	{
		fputs("<tr>", out);
		cell("td", "", json_string_value(json_object_get(peer, "node")), out);
		cell("td", "", json_string_value(json_object_get(peer, "group")), out);
		cell("td", "", json_string_value(json_object_get(peer, "state")), out);
		fputs("</tr>\n", out);
	}
	fputs("</table>\n", out);
	json_decref(document);
}

static void problem_items(const struct daemon *daemon, FILE *out)
{
	json_t *problems = status_problems(daemon);
	const json_t *problem;
	size_t i;

	fputs(json_array_size(problems) > 0 ? "<h2>Problems</h2><ul>\n" : "<ul>", out);
	json_array_foreach(problems, i, problem)
	{
		fputs("<li>", out);
		page_escape(json_string_value(json_object_get(problem, "text")), out);
		fputs(": ", out);
		page_escape(json_string_value(json_object_get(problem, "advice")), out);
		fputs("</li>\n", out);
	}
	fputs("</ul>\n", out);
	json_decref(problems);
}

void page_write(const struct daemon *daemon, FILE *out)
{
	fputs("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<meta http-equiv=\"refresh\" content=\"2\"><title>vipgate ",
	      out);
	page_escape(daemon->config->node, out);
	fprintf(out, "</title><style>%s</style></head><body>\n", style);
	cell("h1", "", daemon->config->node, out);
	problem_items(daemon, out);
	fputs("<h2>VIPs</h2>\n", out);
	vip_table(daemon, out);
	fputs("<h2>Peers</h2>\n", out);
	peer_table(daemon, out);
	fputs("</body></html>\n", out);
}
