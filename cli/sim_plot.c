/* SPDX-License-Identifier: MIT */
#include "cli/sim_plot.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool ends_with(const char *path, const char *end)
{
	size_t length = strlen(path), end_length = strlen(end);

	return length > end_length && strcmp(path + length - end_length, end) == 0;
}

bool sim_plot_is_picture(const char *path)
{
	return ends_with(path, ".svg") || ends_with(path, ".png");
}

/* Runs gnuplot from one descriptor to another (-1: nothing, nowhere). 0; -ENOENT: there is none; -EPROTO: it failed. */
static int run_gnuplot(const char *argument, int from, int to)
{
	char *argv[] = { "gnuplot", (char *)argument, NULL };
	posix_spawn_file_actions_t actions;
	int status = 0, err;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	if (from >= 0)
		posix_spawn_file_actions_adddup2(&actions, from, STDIN_FILENO);
	else
		posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (to >= 0)
		posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
	else
		posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	err = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (err != 0)
		return -err;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status == 0 ? 0 : -EPROTO;
}

static bool has_gnuplot(void)
{
	return run_gnuplot("--version", -1, -1) == 0;
}

bool sim_plot_lacks_gnuplot(const char *path)
{
	return ends_with(path, ".png") && !has_gnuplot();
}

/* The script goes through a file of no name: gnuplot may end before it has read all of a pipe. */
static int draw_by_gnuplot(const struct sim_plot *plot, const char *terminal, FILE *out)
{
	FILE *script = tmpfile();
	int err;

	if (script == NULL)
		return -errno;
	sim_plot_write_gnuplot(plot, terminal, script);
	if (fflush(script) != 0 || fseek(script, 0, SEEK_SET) != 0)
		err = -errno;
	else
		err = run_gnuplot("-", fileno(script), fileno(out));
	fclose(script);
	return err;
}

int sim_plot_write_file(const struct sim_plot *plot, const char *path)
{
	FILE *out = fopen(path, "we");
	int err = 0;

	if (out == NULL)
		return -errno;
	if (ends_with(path, ".png"))
		err = draw_by_gnuplot(plot, "pngcairo", out);
	else if (has_gnuplot())
		err = draw_by_gnuplot(plot, "svg", out);
	else
		sim_plot_write(plot, out);
	if (ferror(out) && err == 0)
		err = -EIO;
	if (fclose(out) != 0 && err == 0)
		err = -errno;
	return err;
}
