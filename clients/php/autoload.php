<?php

// Loads the classes where Composer does not.

declare(strict_types=1);

spl_autoload_register(static function (string $class): void {
    if (!str_starts_with($class, 'Bursar\\')) {
        return;
    }
    $file = __DIR__ . '/src/' . str_replace('\\', '/', substr($class, strlen('Bursar\\'))) . '.php';
    if (is_file($file)) {
        require $file;
    }
});
