import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.Map;

/**
 * Starts one Elasticsearch node from jars of the package registry. The classes are named by reflection only, so one
 * build with Java 17 starts 8.19 (Java 17) and 9.x (Java 21 and later), whose plugin loaders differ a little.
 *
 * Arguments: HOME (with config/ and modules/), DATA, then settings as name=value. Ends when standard input ends, so
 * that no server outlives the process that started it.
 */
public final class ElasticsearchServer {
    public static void main(String[] args) throws Exception {
        Path home = Path.of(args[0]);
        Class<?> settingsClass = Class.forName("org.elasticsearch.common.settings.Settings");
        Object builder = settingsClass.getMethod("builder").invoke(null);
        Method put = builder.getClass().getMethod("put", String.class, String.class);
        put.invoke(builder, "path.home", home.toString());
        put.invoke(builder, "path.data", Path.of(args[1], "data").toString());
        put.invoke(builder, "path.logs", Path.of(args[1], "logs").toString());
        for (int i = 2; i < args.length; i++) {
            int at = args[i].indexOf('=');
            put.invoke(builder, args[i].substring(0, at), args[i].substring(at + 1));
        }
        Object settings = builder.getClass().getMethod("build").invoke(builder);

        Class.forName("org.elasticsearch.common.logging.LogConfigurator")
            .getMethod("configureWithoutConfig", settingsClass)
            .invoke(null, settings);
        Class<?> environmentClass = Class.forName("org.elasticsearch.env.Environment");
        Object environment = environmentClass.getConstructor(settingsClass, Path.class)
            .newInstance(settings, home.resolve("config"));

        Class<?> loaderClass = Class.forName("org.elasticsearch.plugins.PluginsLoader");
        Object modules = bundles(loaderClass, "loadModulesBundles", home.resolve("modules"));
        Object plugins = bundles(loaderClass, "loadPluginsBundles", home.resolve("plugins"));
        Object loader = loaderClass
            .getMethod("createPluginsLoader", java.util.Set.class, java.util.Set.class, Map.class, boolean.class)
            .invoke(null, modules, plugins, Map.of(), false);

        Class<?> nodeClass = Class.forName("org.elasticsearch.node.Node");
        Object node = nodeClass.getConstructor(environmentClass, loaderClass).newInstance(environment, loader);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                nodeClass.getMethod("close").invoke(node);
            } catch (ReflectiveOperationException e) {
                e.printStackTrace();
            }
        }));
        nodeClass.getMethod("start").invoke(node);
        System.out.println("listening on " + httpPort(nodeClass, node));
        while (System.in.read() >= 0) {
            // only the end matters
        }
        System.exit(0);
    }

    /** The port that was really bound: http.port=0 takes a free one. */
    private static Object httpPort(Class<?> nodeClass, Object node) throws ReflectiveOperationException {
        Object injector = nodeClass.getMethod("injector").invoke(node);
        Class<?> transportClass = Class.forName("org.elasticsearch.http.HttpServerTransport");
        Object transport = Class.forName("org.elasticsearch.injection.guice.Injector")
            .getMethod("getInstance", Class.class)
            .invoke(injector, transportClass);
        Object bound = transportClass.getMethod("boundAddress").invoke(transport);
        Object address = bound.getClass().getMethod("publishAddress").invoke(bound);
        return address.getClass().getMethod("getPort").invoke(address);
    }

    private static Object bundles(Class<?> loader, String name, Path path) throws ReflectiveOperationException {
        try {
            return loader.getMethod(name, Path.class, boolean.class).invoke(null, path, true);
        } catch (NoSuchMethodException older) {
            return loader.getMethod(name, Path.class).invoke(null, path);
        }
    }
}
